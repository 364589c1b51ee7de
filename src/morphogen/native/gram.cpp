// The Gram matrix of centred rows, of which one triangle is computed, in double precision.
//
//     G_ij = scale sum_r (x_ri - m_i) (x_rj - m_j),   i <= j;   zeros for i > j
//
// x is [n, d]. ROWS rows at a time are centred and stored by panels of PANEL columns, [panels][rows][PANEL],
// so that PANEL x WIDE sums are kept in registers while both operands are read in order. The pairs of panels
// are divided among the threads.

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "vectors.h"

namespace {

constexpr int WIDE = LANES / 2, VECTORS = 3;  // doubles in a vector; vectors of sums in a column of a tile
constexpr int64_t ROWS = 512, PANEL = VECTORS * WIDE;

typedef double Doubles __attribute__((vector_size(4 * LANES)));

inline Doubles multiply_add(Doubles a, double b, Doubles c) {  // a b + c, rounded once if the processor can
#if defined(__AVX512F__)
  return _mm512_fmadd_pd(a, _mm512_set1_pd(b), c);
#elif defined(__AVX2__) && defined(__FMA__)
  return _mm256_fmadd_pd(a, _mm256_set1_pd(b), c);
#else
  return a * b + c;
#endif
}

// Rows from `first` on, centred, into panels; columns after the last are zeros.
template <typename T>
void pack(const T* x, const double* mean, int64_t rows, int64_t d, double* packed) {
  const int64_t panels = (d + PANEL - 1) / PANEL;
  at::parallel_for(0, rows, 64, [&](int64_t start, int64_t stop) {
    for (int64_t r = start; r < stop; ++r)
      for (int64_t p = 0; p < panels; ++p) {
        double* out = packed + (p * ROWS + r) * PANEL;
        const int64_t width = std::min(PANEL, d - p * PANEL);
        const T* in = x + r * d + p * PANEL;
        for (int64_t c = 0; c < width; ++c) out[c] = double(in[c]) - mean[p * PANEL + c];
        std::fill(out + width, out + PANEL, 0.0);
      }
  });
}

// products[a][b] = sum_r columns[r][b] rows[r][a]: the loops over a and v are unrolled, so that all sums are
// in registers.
inline void multiply(const double* columns, const double* rows, int64_t depth,
                     double (&products)[WIDE][PANEL]) {
  Doubles sums[WIDE][VECTORS] = {};
  for (int64_t r = 0; r < depth; ++r, columns += PANEL, rows += PANEL) {
    Doubles x[VECTORS];
    std::memcpy(x, columns, sizeof x);
#pragma GCC unroll 8
    for (int a = 0; a < WIDE; ++a)
#pragma GCC unroll 3
      for (int v = 0; v < VECTORS; ++v) sums[a][v] = multiply_add(x[v], rows[a], sums[a][v]);
  }
#pragma GCC unroll 8
  for (int a = 0; a < WIDE; ++a)
#pragma GCC unroll 3
    for (int v = 0; v < VECTORS; ++v) std::memcpy(&products[a][v * WIDE], &sums[a][v], sizeof(Doubles));
}

// Adds the products of two panels, whose first ones are a column and a row of G, on and above its diagonal.
void add(const double* columns, const double* rows, int64_t depth, int64_t column, int64_t row, int64_t d,
         double scale, double* gram) {
  for (int64_t group = 0; group < PANEL; group += WIDE) {
    double products[WIDE][PANEL];
    multiply(columns, rows + group, depth, products);
    for (int64_t a = 0, i = row + group; a < WIDE && i < d; ++a, ++i)
      for (int64_t j = std::max(i, column); j < std::min(d, column + PANEL); ++j)
        gram[i * d + j] += scale * products[a][j - column];
  }
}

template <typename T>
void accumulate(const T* x, const double* mean, int64_t n, int64_t d, double scale, double* gram) {
  const int64_t panels = (d + PANEL - 1) / PANEL;
  std::vector<std::pair<int64_t, int64_t>> pairs;
  for (int64_t column = 0; column < panels; ++column)
    for (int64_t row = 0; row <= column; ++row) pairs.emplace_back(column, row);
  const at::Tensor buffer = at::empty({panels * ROWS * PANEL}, at::kDouble);
  double* packed = buffer.data_ptr<double>();
  for (int64_t first = 0; first < n; first += ROWS) {
    const int64_t depth = std::min(ROWS, n - first);
    pack(x + first * d, mean, depth, d, packed);
    at::parallel_for(0, int64_t(pairs.size()), 8, [&](int64_t start, int64_t stop) {
      for (int64_t t = start; t < stop; ++t) {
        const auto [column, row] = pairs[t];
        const double *columns = packed + column * ROWS * PANEL, *rows = packed + row * ROWS * PANEL;
        add(columns, rows, depth, column * PANEL, row * PANEL, d, scale, gram);
      }
    });
  }
}

at::Tensor gram(const at::Tensor& x, const at::Tensor& mean, double scale) {
  const bool fits = x.dim() == 2 && mean.dim() == 1 && mean.size(0) == x.size(1);
  TORCH_CHECK(fits && mean.scalar_type() == at::kDouble, "gram: x [n, d], and a mean of float64 [d]");
  const at::Tensor rows = x.contiguous(), centre = mean.contiguous();
  const int64_t n = x.size(0), d = x.size(1);
  const at::Tensor result = at::zeros({d, d}, centre.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "gram", [&] {
    accumulate(rows.const_data_ptr<scalar_t>(), centre.const_data_ptr<double>(), n, d, scale,
               result.data_ptr<double>());
  });
  return result;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) { m.def("gram(Tensor x, Tensor mean, float scale) -> Tensor"); }

TORCH_LIBRARY_IMPL(morphogen, CPU, m) { m.impl("gram", &gram); }
