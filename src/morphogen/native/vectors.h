// Vectors of fp32 as wide as the processor's registers, loads and stores of fp32 and bf16, and exp.
//
//     exp2(x) = 2^round(x) p(x - round(x)),   p the Taylor polynomial of degree 7, within 2 units of 2^-24
//
// The types are those of GCC and Clang, so that a + b and a < b are single instructions; 16 values with
// AVX-512, 8 with AVX2, 4 elsewhere.

#pragma once

#include <c10/util/BFloat16.h>

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));

inline Vector broadcast(float x) { return x - Vector{}; }

inline Vector fma(Vector a, Vector b, Vector c) {  // a b + c, rounded once if the processor can
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__) && defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

inline Vector max(Vector a, Vector b) { return a > b ? a : b; }
inline Vector min(Vector a, Vector b) { return a < b ? a : b; }

inline float sum(Vector x) {  // of pairs, and of pairs of these
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(x);
#else
  for (int half = LANES / 2; half; half /= 2)
    for (int i = 0; i < half; ++i) x[i] += x[i + half];
  return x[0];
#endif
}

inline Vector load(const float* x) {
  Vector v;
  std::memcpy(&v, x, sizeof v);
  return v;
}

inline Vector load(const at::BFloat16* x) {  // the upper halves of floats
  Halves h;
  std::memcpy(&h, x, sizeof h);
  return std::bit_cast<Vector>(__builtin_convertvector(h, Integers) << 16);
}

template <typename T>
inline Vector load(const T* x, int64_t count) {  // with zeros after the first `count` values
  if (count >= LANES) return load(x);
  T values[LANES] = {};
  for (int64_t i = 0; i < count; ++i) values[i] = x[i];
  return load(values);
}

inline void store(float* x, Vector v) { std::memcpy(x, &v, sizeof v); }

inline void store(at::BFloat16* x, Vector v) {  // rounded to nearest, to even if both are
#if defined(__AVX512BF16__)
  const auto h = _mm512_cvtneps_pbh(v);
#else
  const Integers bits = std::bit_cast<Integers>(v);
  const Integers rounded = bits + 0x7fff + ((bits >> 16) & 1);
  const Halves h = __builtin_convertvector((v == v ? rounded : bits | 0x400000) >> 16, Halves);
#endif
  static_assert(sizeof h == sizeof(Halves));
  std::memcpy(x, &h, sizeof h);
}

template <typename T>
inline void store(T* x, Vector v, int64_t count) {  // the first `count` values only
  if (count >= LANES) return store(x, v);
  T values[LANES];
  store(values, v);
  for (int64_t i = 0; i < count; ++i) x[i] = values[i];
}

// 2^x of x <= 127; 0 below -126.
inline Vector exp2(Vector x) {
  constexpr float SHIFT = 0x1.8p23f;  // adding it rounds to an integer, in the lowest bits
  const Vector clamped = max(x, broadcast(-126)), shifted = clamped + SHIFT, r = clamped - (shifted - SHIFT);
  Vector p = broadcast(0x1.ffcbfcp-17f);
  for (const float c : {0x1.430912p-13f, 0x1.5d87fep-10f, 0x1.3b2ab6p-7f, 0x1.c6b08ep-5f, 0x1.ebfbep-3f,
                        0x1.62e43p-1f, 1.0f})
    p = fma(p, r, broadcast(c));
  const Integers power = std::bit_cast<Integers>(shifted) << 23;
  const Vector result = std::bit_cast<Vector>(std::bit_cast<Integers>(p) + power);
  return x < -126.0f ? Vector{} : result;
}

inline Vector sigmoid(Vector x) { return 1.0f / (1.0f + exp2(min(x * -0x1.715476p+0f, broadcast(126)))); }

}  // namespace
