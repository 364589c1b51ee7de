// Matrices W [N, K] in formats that are read from memory as they are, and expanded in registers.
//
//     format            tensors                                          W[n][k]
//     fp32 or bf16      w [N, K]                                         w
//     int8 in rows      q int8 [N, K],       s fp32 [N]                  s q
//     int8 in blocks    q int8 [N, K],       d fp16 [N, K / 32]          d q          Q8_0 of GGUF
//     4 bits in blocks  q uint8 [N, K / 2],  d, m fp16 [N, K / 32]       d q + m      Q4_1 of GGUF
//
// Byte j of 16 holds the 4-bit numbers j and j + 16 of a block, the first in its lower half. Read as integers
// of 4 bytes, lane i of a vector has 8 numbers of block i / 4.

#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Half.h>

#include "vectors.h"

namespace {

constexpr int64_t BLOCK = 32;  // numbers with one scale

struct Matrix {
  enum Format { FP32, BF16, INT8_ROWS, INT8, INT4 } format;
  int64_t rows, columns;
  const void* data;
  const float *scale = nullptr, *bias = nullptr;         // s, and what is added to the products
  const at::Half *factors = nullptr, *minima = nullptr;  // d, m

  // Of the tensors from `next` on, which is moved behind them.
  explicit Matrix(at::TensorList::iterator& next, at::TensorList::iterator end) {
    const at::Tensor& q = take(next, end, 2);
    rows = q.size(0), columns = q.size(1), data = q.const_data_ptr();
    const at::ScalarType type = q.scalar_type();
    if (type == at::kFloat || type == at::kBFloat16) {
      format = type == at::kFloat ? FP32 : BF16;
    } else if (type == at::kByte) {
      format = INT4, columns *= 2, factors = blocks(take(next, end, 2)), minima = blocks(take(next, end, 2));
    } else {
      TORCH_CHECK(type == at::kChar, "a matrix must be fp32, bf16, int8 or uint8");
      const at::Tensor& d = take(next, end, 0);
      format = d.dim() == 2 ? INT8 : INT8_ROWS;
      if (format == INT8) factors = blocks(d);
      else rows = d.size(0), scale = d.const_data_ptr<float>();
    }
    TORCH_CHECK(rows <= q.size(0), "a matrix must have a row for each scale");
  }

 private:
  static const at::Tensor& take(at::TensorList::iterator& next, at::TensorList::iterator end, int64_t dims) {
    TORCH_CHECK(next != end, "a matrix lacks its scales");
    const at::Tensor& x = *next++;
    TORCH_CHECK(x.is_contiguous() && (!dims || x.dim() == dims), "a matrix must be contiguous [N, K]");
    return x;
  }
  const at::Half* blocks(const at::Tensor& d) const {
    TORCH_CHECK(d.dim() == 2 && d.size(0) == rows && d.size(1) * BLOCK == columns,
                "the scales of blocks must be fp16 [N, K / 32]");
    return d.const_data_ptr<at::Half>();
  }
};

// `next`: the distance in bytes of what is fetched meanwhile.
inline void widen(const at::Half* from, int64_t count, float* to, int64_t next) {
  for (int64_t line = 0; line < count; line += 32) __builtin_prefetch((const char*)(from + line) + next);
  int64_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(from + i))));
#endif
  for (; i < count; ++i) to[i] = float(from[i]);
}

inline Vector load(const int8_t* x) {
#if defined(__AVX512F__)
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)x)));
#elif defined(__AVX2__) && defined(__FMA__)
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)x)));
#else
  Vector v;
  for (int i = 0; i < LANES; ++i) v[i] = x[i];
  return v;
#endif
}

// How a format is multiplied: CHUNK numbers at a time, stored in STORED elements, in vectors of PER numbers,
// by inputs that are arranged in INPUTS elements.
struct Floats {
  typedef float Input;
  static constexpr int64_t PER = LANES;
  static Vector add(Vector w, const float* x, Vector total) { return fma(w, load(x), total); }
};

template <typename T>
struct Numbers : Floats {  // in order
  typedef T Stored;
  static constexpr int64_t CHUNK = BLOCK, STORED = CHUNK, INPUTS = CHUNK;
  static void arrange(const float* from, float* to, float*) { std::memcpy(to, from, CHUNK * sizeof(float)); }
  static Vector expand(const T* w, int i) { return load(w + i * LANES); }
  static Vector scale(const float* d, int64_t chunk) { return broadcast(d[chunk]); }
};

#if defined(__AVX512BF16__)
template <>
struct Numbers<at::BFloat16> {  // pairs, with inputs that are rounded to bf16
  typedef at::BFloat16 Stored, Input;
  static constexpr int64_t CHUNK = BLOCK, STORED = CHUNK, INPUTS = CHUNK, PER = 2 * LANES;
  static void arrange(const float* from, at::BFloat16* to, float*) {
    for (int64_t k = 0; k < CHUNK; k += LANES) store(to + k, load(from + k));
  }
  static __m512bh expand(const at::BFloat16* w, int i) { return (__m512bh)_mm512_loadu_si512(w + i * PER); }
  static Vector add(__m512bh w, const at::BFloat16* x, Vector total) {
    return _mm512_dpbf16_ps(total, w, (__m512bh)_mm512_loadu_si512(x));
  }
  static Vector scale(const float*, int64_t) { return Vector{}; }
};
#endif

inline Vector of_blocks(const float* d, int64_t chunk) {  // that of block i / 4 in lane i
  d += chunk * (LANES / 4);
#if defined(__AVX512F__)
  const __m512i blocks = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  return _mm512_permutexvar_ps(blocks, _mm512_castps128_ps512(_mm_loadu_ps(d)));
#else
  Vector v;
  for (int i = 0; i < LANES; ++i) v[i] = d[i / 4];
  return v;
#endif
}

#if defined(__AVX512VNNI__) && defined(__AVX512F__)
// Inputs are x = s (2^14 a + 2^7 b + c), |x| <= 127 2^14 s in each block of 32, as exact as fp32; a, b, c are
// bytes that one instruction multiplies by 64 numbers of 4 bits. Sums of lanes are exact integers.
struct Nibbles {
  typedef uint8_t Stored;
  typedef int8_t Input;
  static constexpr int64_t CHUNK = 128, STORED = 64, PER = CHUNK, PLANE = 64, INPUTS = 6 * PLANE + 64;
  struct Halves {
    __m512i first, second;
  };
  static void arrange(const float* from, int8_t* to, float* sums) {
    for (int64_t block = 0; block < CHUNK / BLOCK; ++block, from += BLOCK) {
      const Vector x[2] = {load(from), load(from + LANES)};
      const Vector size = max(max(x[0], -x[0]), max(x[1], -x[1]));
      const float largest = _mm512_reduce_max_ps(size), most = 127 << 14;
      sums[block] = sum(x[0] + x[1]);
      const float factor = largest > 0 ? most / largest : 0;
      for (int i = 0; i < 2; ++i) {
        const __m512i n = _mm512_cvtps_epi32(x[i] * factor);
        const __m512i a = _mm512_srai_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(1 << 13)), 14);
        const __m512i rest = _mm512_sub_epi32(n, _mm512_slli_epi32(a, 14));
        const __m512i b = _mm512_srai_epi32(_mm512_add_epi32(rest, _mm512_set1_epi32(1 << 6)), 7);
        const __m512i c = _mm512_sub_epi32(rest, _mm512_slli_epi32(b, 7)), planes[] = {a, b, c};
        for (int plane = 0; plane < 3; ++plane)
          _mm_storeu_si128((__m128i*)(to + (2 * plane + i) * PLANE + block * LANES),
                           _mm512_cvtepi32_epi8(planes[plane]));
      }
      const float scale = largest / most + 0 * sums[block];  // NaN if a number is infinite or NaN
      for (int i = 0; i < 4; ++i) ((float*)(to + 6 * PLANE))[block * 4 + i] = scale;
    }
  }
  static Halves expand(const uint8_t* w, int) {
    const __m512i bytes = _mm512_loadu_si512(w), low = _mm512_set1_epi8(15);
    return {_mm512_and_si512(bytes, low), _mm512_and_si512(_mm512_srli_epi16(bytes, 4), low)};
  }
  static Vector add(Halves w, const int8_t* x, Vector total) {
    const auto plane = [&](int i, __m512i start) {
      const __m512i first = _mm512_loadu_si512(x + 2 * i * PLANE);
      const __m512i second = _mm512_loadu_si512(x + (2 * i + 1) * PLANE);
      return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(start, w.first, first), w.second, second);
    };
    const __m512i a = plane(0, __m512i{}), b = plane(1, _mm512_slli_epi32(a, 7));
    const __m512i c = plane(2, _mm512_slli_epi32(b, 7));
    return fma(_mm512_cvtepi32_ps(c), load((const float*)(x + 6 * PLANE)), total);
  }
  static Vector scale(const float* d, int64_t chunk) { return of_blocks(d, chunk); }
};
#else
struct Nibbles : Floats {  // number i of all lanes, for i = 0 .. 7
  typedef uint8_t Stored;
  static constexpr int64_t CHUNK = 8 * LANES, STORED = CHUNK / 2, INPUTS = CHUNK;
  static void arrange(const float* from, float* to, float* sums) {
    for (int64_t k = 0; k < CHUNK; ++k) {
      const int64_t block = k / BLOCK, byte = k % 16, half = k % BLOCK / 16;
      to[(byte % 4 * 2 + half) * LANES + block * 4 + byte / 4] = from[k];
      sums[block] += from[k];
    }
  }
  static Vector expand(const uint8_t* x, int i) {
    Integers v;
    std::memcpy(&v, x, sizeof v);
#if defined(__AVX512F__)  // the lowest 4 bits of a lane select one of 16 numbers
    const __m512 numbers = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_permutexvar_ps(_mm512_srli_epi32((__m512i)v, 4 * i), numbers);
#else
    return __builtin_convertvector((v >> (4 * i)) & 15, Vector);
#endif
  }
  static Vector scale(const float* d, int64_t chunk) { return of_blocks(d, chunk); }
};
#endif

}  // namespace
