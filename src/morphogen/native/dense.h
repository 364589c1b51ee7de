// Products of a few rows with small matrices, and gates: the layers of networks that take many small steps.
//
//     y[r][j] += sum_k x[r][k] W[k][j],   W [inputs, width]
//
// Outputs form groups of equal size, such as the arguments of tanh and of the sigmoid. Each is padded with
// zeros to whole vectors, and y likewise: width = groups x padded size. Inputs are not padded. Matrices are
// packed once per call; a step of one sequence takes as long as reading them from the second cache.

#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <vector>

#include "vectors.h"

namespace {

template <typename T>
struct AtLines {  // allocates whole cache lines, so that no vector crosses one
  using value_type = T;
  static constexpr std::align_val_t LINE{64};
  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), LINE)); }
  void deallocate(T* x, size_t) { ::operator delete(x, LINE); }
  bool operator==(const AtLines&) const { return true; }
};

using Floats = std::vector<float, AtLines<float>>;

inline int64_t padded(int64_t count) { return (count + LANES - 1) / LANES * LANES; }

inline const float* floats(const at::Tensor& x, at::IntArrayRef shape, const char* name) {
  TORCH_CHECK(x.is_contiguous() && x.scalar_type() == at::kFloat && x.sizes() == shape, name,
              ": must be contiguous float32 of ", shape, ", not ", x.sizes());
  return x.const_data_ptr<float>();
}

struct Matrix {
  int64_t inputs, width;
  Floats values;

  // of the weight [outputs, inputs] of a linear layer
  Matrix(const at::Tensor& weight, int64_t outputs, int64_t inputs, int64_t groups = 1) : inputs(inputs) {
    const at::Tensor rows = weight.contiguous();
    const float* w = floats(rows, {outputs, inputs}, "weight");
    const int64_t size = outputs / groups, stride = padded(size);
    width = groups * stride;
    values.assign(inputs * width, 0);
    for (int64_t j = 0; j < outputs; ++j)
      for (int64_t k = 0; k < inputs; ++k)
        values[k * width + j / size * stride + j % size] = w[j * inputs + k];
  }
};

// R rows and U vectors of columns; even and odd inputs have their own sums where there are few of these.
template <int R, int U>
inline void tile(const float* x, int64_t x_stride, int64_t inputs, const float* w, int64_t width, float* y,
                 int64_t y_stride) {
  constexpr int SUMS = R * U < 8 ? 2 : 1;
  Vector sum[SUMS][R][U] = {};
  for (int r = 0; r < R; ++r)
    for (int u = 0; u < U; ++u) sum[0][r][u] = load(y + r * y_stride + u * LANES);
  const auto add = [&](int64_t k, int s) {
    Vector row[U];
    for (int u = 0; u < U; ++u) row[u] = load(w + k * width + u * LANES);
    for (int r = 0; r < R; ++r) {
      const Vector factor = broadcast(x[r * x_stride + k]);
      for (int u = 0; u < U; ++u) sum[s][r][u] = fma(factor, row[u], sum[s][r][u]);
    }
  };
  int64_t k = 0;
  for (; k + SUMS <= inputs; k += SUMS)
    for (int s = 0; s < SUMS; ++s) add(k + s, s);
  if (k < inputs) add(k, 0);
  for (int r = 0; r < R; ++r)
    for (int u = 0; u < U; ++u)
      store(y + r * y_stride + u * LANES, SUMS == 1 ? sum[0][r][u] : sum[0][r][u] + sum[SUMS - 1][r][u]);
}

// y += x W for some rows
inline void accumulate(const float* x, int64_t x_stride, int64_t rows, const Matrix& m, float* y,
                       int64_t y_stride) {
  const auto columns = [&]<int U>(int64_t j) {
    const float* w = m.values.data() + j;
    int64_t r = 0;
    const auto by = [&]<int R>() {
      tile<R, U>(x + r * x_stride, x_stride, m.inputs, w, m.width, y + r * y_stride + j, y_stride);
      r += R;
    };
    if constexpr (U <= 4)
      while (r + 4 <= rows) by.template operator()<4>();
    if (r + 2 <= rows) by.template operator()<2>();
    while (r < rows) by.template operator()<1>();
  };
  int64_t j = 0;
  if (rows < 4)
    for (; j + 8 * LANES <= m.width; j += 8 * LANES) columns.template operator()<8>(j);
  for (; j + 4 * LANES <= m.width; j += 4 * LANES) columns.template operator()<4>(j);
  for (; j < m.width; j += LANES) columns.template operator()<1>(j);
}

struct Linear {  // y = b + x W
  Matrix matrix;
  Floats bias;

  Linear(const at::Tensor& weight, const at::Tensor& given, int64_t outputs, int64_t inputs)
      : matrix(weight, outputs, inputs), bias(matrix.width) {
    std::copy_n(floats(given, {outputs}, "bias"), outputs, bias.begin());
  }

  void apply(const float* x, int64_t x_stride, int64_t rows, float* y) const {
    for (int64_t r = 0; r < rows; ++r) std::copy(bias.begin(), bias.end(), y + r * matrix.width);
    accumulate(x, x_stride, rows, matrix, y, matrix.width);
  }
};

inline void rectify(Floats& x) {
  for (float& value : x) value = value < 0 ? 0 : value;
}

// tanh(a) sigmoid(b) with one division; NaN if a or b is infinite, for which the twin may have a number
inline Vector gate(Vector a, Vector b) {
  const Vector p = exp2(min(a * -0x1.715476p+1f, broadcast(60)));
  const Vector q = exp2(min(b * -0x1.715476p+0f, broadcast(60)));
  return (1.0f - p) / ((1.0f + p) * (1.0f + q)) + 0.0f * (a + b);
}

inline void gate(const float* a, const float* b, int64_t size, float* out) {  // a and b are padded
  for (int64_t i = 0; i < size; i += LANES) store(out + i, gate(load(a + i), load(b + i)), size - i);
}

}  // namespace
