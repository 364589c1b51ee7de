// Products of a matrix with few rows of inputs, for which it is read from memory once.
//
//     y[b][n] = c[n] + sum_k W[n][k] x[b][k],   x, y and all sums in fp32, W in a format of matrix.h
//
// The rows of W are divided among the threads, GROUP at a time. While they are in a cache, they are multiplied
// by all x in tiles of R rows and B inputs, whose sums stay in registers. With instructions for bf16, x is
// rounded to bf16 if W is. The sums of an output depend neither on other rows nor on the number of threads.

#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "matrix.h"

namespace {

constexpr int64_t GROUP = 16;       // rows of W
constexpr int64_t AHEAD = 4096;     // bytes from what is read to what is fetched meanwhile
constexpr int64_t GRAIN = 1 << 16;  // multiply-adds that are worth another thread

// Rows of inputs as a format reads them, with zeros up to a multiple of its chunk; and sums of their blocks.
template <class F>
class Inputs {
 public:
  typedef typename F::Input T;
  const int64_t rows, chunks, width, blocks;

  Inputs(const Matrix& w, const float* x, int64_t rows, int64_t count)
      : rows(rows), chunks((w.columns + F::CHUNK - 1) / F::CHUNK), width(chunks * F::INPUTS),
        blocks(up(chunks * F::CHUNK / BLOCK, LANES)),
        values(rows * up(width * sizeof(T), sizeof(Vector)) / sizeof(Vector)), sums(rows * blocks) {
    for (int64_t b = 0; b < rows; ++b)
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        float from[F::CHUNK] = {};
        const int64_t k = chunk * F::CHUNK;
        std::copy_n(x + b * count + k, std::clamp<int64_t>(count - k, 0, F::CHUNK), from);
        F::arrange(from, (T*)values.data() + b * width + chunk * F::INPUTS, &sums[b * blocks + k / BLOCK]);
      }
  }

  const T* row(int64_t b) const { return (const T*)values.data() + b * width; }
  const float* sum(int64_t b) const { return &sums[b * blocks]; }

 private:
  std::vector<Vector> values;
  std::vector<float> sums;

  static int64_t up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }
};

inline float dot(const float* a, const float* b, int64_t count) {
  Vector total{};
  for (int64_t i = 0; i < count; i += LANES) total = fma(load(a + i), load(b + i), total);
  return sum(total);
}

// out[c][r] = sum_k W[n + r][k] x[b + c][k], for R rows of W and B of x, or of their numbers if not `scaled`.
template <class F, bool scaled, int R, int B>
void tile(const Matrix& w, int64_t n, const float* d, const Inputs<F>& x, int64_t b, float* out,
          int64_t stride) {
  typedef typename F::Stored T;
  const int64_t columns = w.columns * F::STORED / F::CHUNK, whole = columns / F::STORED;
  const T* data = static_cast<const T*>(w.data) + n * columns;
  const typename F::Input* in = x.row(b);
  Vector total[R][B] = {};
  const auto add = [&](const T* from, int64_t row, int64_t chunk) __attribute__((always_inline)) {
    Vector part[R][B];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      for (int64_t byte = 0; byte < F::STORED * int64_t(sizeof(T)); byte += 64)
        __builtin_prefetch((const char*)(from + r * row) + AHEAD + byte);
#pragma GCC unroll 4
      for (int c = 0; c < B; ++c) part[r][c] = scaled ? Vector{} : total[r][c];
    }
#pragma GCC unroll 8
    for (int i = 0; i < F::CHUNK / F::PER; ++i)
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const auto numbers = F::expand(from + r * row, i);
#pragma GCC unroll 4
        for (int c = 0; c < B; ++c)
          part[r][c] = F::add(numbers, in + c * x.width + chunk * F::INPUTS + i * F::PER, part[r][c]);
      }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const Vector scale = scaled ? F::scale(d + r * (w.columns / BLOCK), chunk) : Vector{};
#pragma GCC unroll 4
      for (int c = 0; c < B; ++c)
        total[r][c] = scaled ? fma(part[r][c], scale, total[r][c]) : part[r][c];
    }
  };
  for (int64_t chunk = 0; chunk < whole; ++chunk) add(data + chunk * F::STORED, columns, chunk);
  if (const int64_t rest = columns % F::STORED) {
    T last[R][F::STORED] = {};
    for (int r = 0; r < R; ++r) std::copy_n(data + r * columns + whole * F::STORED, rest, last[r]);
    add(last[0], F::STORED, whole);
  }
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < B; ++c) out[c * stride + r] = sum(total[r][c]);
}

// y of the rows begin .. end - 1 of a matrix, y[b][n] at out[b * stride + n].
template <class F, bool scaled>
void rows(const Matrix& w, const Inputs<F>& x, int64_t begin, int64_t end, float* out, int64_t stride) {
  const int64_t blocks = w.columns / BLOCK;
  std::vector<float> factors(GROUP * blocks + LANES), minima(factors.size());
  for (int64_t first = begin; first < end; first += GROUP) {
    const int64_t last = std::min(first + GROUP, end), count = (last - first) * blocks;
    const int64_t next = (last < end ? GROUP : 0) * blocks * int64_t(sizeof(at::Half));
    if (scaled) widen(w.factors + first * blocks, count, factors.data(), next);
    if (w.minima) widen(w.minima + first * blocks, count, minima.data(), next);
    const auto inputs = [&]<int B>(int64_t b) {
      int64_t n = first;
      const auto next = [&]<int R>() {
        tile<F, scaled, R, B>(w, n, &factors[(n - first) * blocks], x, b, out + b * stride + n, stride);
        n += R;
      };
      while (n + (B == 1 ? 4 : 2) <= last) next.template operator()<(B == 1 ? 4 : 2)>();
      while (n < last) next.template operator()<1>();
    };
    int64_t b = 0;
    for (; b + 4 <= x.rows; b += 4) inputs.template operator()<4>(b);
    for (; b < x.rows; ++b) inputs.template operator()<1>(b);
    for (b = 0; b < x.rows; ++b)
      for (int64_t n = first; n < last; ++n) {
        float& y = out[b * stride + n];
        if (w.minima) y += dot(&minima[(n - first) * blocks], x.sum(b), blocks);
        if (w.scale) y *= w.scale[n];
        if (w.bias) y += w.bias[n];
      }
  }
}

template <class F, bool scaled>
void products(const Matrix& w, const float* x, int64_t inputs, int64_t count, float* out) {
  const Inputs<F> in(w, x, inputs, count);
  const int64_t groups = (w.rows + GROUP - 1) / GROUP;
  const int64_t grain = std::max<int64_t>(1, GRAIN / std::max<int64_t>(1, GROUP * w.columns * inputs));
  at::parallel_for(0, groups, grain, [&](int64_t first, int64_t last) {
    rows<F, scaled>(w, in, first * GROUP, std::min(last * GROUP, w.rows), out, w.rows);
  });
}

// y [B, N] of the rows of inputs x [B, count], whose further columns are 0.
inline void multiply(const Matrix& w, const float* x, int64_t inputs, int64_t count, float* out) {
  switch (w.format) {
    case Matrix::FP32: return products<Numbers<float>, false>(w, x, inputs, count, out);
    case Matrix::BF16: return products<Numbers<at::BFloat16>, false>(w, x, inputs, count, out);
    case Matrix::INT8_ROWS: return products<Numbers<int8_t>, false>(w, x, inputs, count, out);
    case Matrix::INT8: return products<Numbers<int8_t>, true>(w, x, inputs, count, out);
    case Matrix::INT4: return products<Nibbles, true>(w, x, inputs, count, out);
  }
}

}  // namespace
