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

// How a format is multiplied: CHUNK numbers at a time, stored in STORED elements, in vectors of PER numbers.
struct Floats {
  typedef float Input;
  static constexpr int64_t PER = LANES;
  static Vector add(Vector w, const float* x, Vector total) { return fma(w, load(x), total); }
};

template <typename T>
struct Numbers : Floats {  // in order
  typedef T Stored;
  static constexpr int64_t CHUNK = BLOCK, STORED = CHUNK;
  static Vector expand(const T* w, int i) { return load(w + i * LANES); }
  static Vector scale(const float* d, int64_t chunk) { return broadcast(d[chunk]); }
};

#if defined(__AVX512BF16__)
template <>
struct Numbers<at::BFloat16> {  // pairs, with inputs that are rounded to bf16
  typedef at::BFloat16 Stored, Input;
  static constexpr int64_t CHUNK = BLOCK, STORED = CHUNK, PER = 2 * LANES;
  static __m512bh expand(const at::BFloat16* w, int i) { return (__m512bh)_mm512_loadu_si512(w + i * PER); }
  static Vector add(__m512bh w, const at::BFloat16* x, Vector total) {
    return _mm512_dpbf16_ps(total, w, (__m512bh)_mm512_loadu_si512(x));
  }
  static Vector scale(const float*, int64_t) { return Vector{}; }
};
#endif

struct Nibbles : Floats {  // number i of all lanes, for i = 0 .. 7
  typedef uint8_t Stored;
  static constexpr int64_t CHUNK = 8 * LANES, STORED = CHUNK / 2;
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
  static Vector scale(const float* d, int64_t chunk) {  // of block i / 4 in lane i
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
};

}  // namespace
