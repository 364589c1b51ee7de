// What both passes of attention share: tiles of QUERIES in lanes, blocks of keys in rows, sums in fp32.
//
// q [B, n, T, D], k and v [B, n, S, D], fp32 or bf16 in any strides. A lane is a query, so that any D is as
// fast as another; a tile takes all keys in blocks, whose weights stay in the first cache.

#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "vectors.h"

namespace {

constexpr int64_t WIDE = 2, QUERIES = WIDE * LANES, BLOCK = 128, KEYS = LANES == 16 ? 8 : 4;
constexpr float LOG2E = 0x1.715476p+0f, INF = std::numeric_limits<float>::infinity();

int64_t padded(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// One head of a tensor [B, n, N, D] as rows of fp32, `stride` apart, with zeros after them.
template <typename T>
void rows_of(const at::Tensor& x, int64_t batch, int64_t head, int64_t first, int64_t count, int64_t stride,
             float* out) {
  const T* data = x.const_data_ptr<T>() + batch * x.stride(0) + head * x.stride(1) + first * x.stride(2);
  const int64_t width = x.size(3);
  for (int64_t i = 0; i < count; ++i, data += x.stride(2), out += stride)
    for (int64_t k = 0; k < width; ++k) out[k] = float(data[k]);
}

// The same as columns [D, QUERIES], for one tile.
template <typename T>
void columns_of(const at::Tensor& x, int64_t batch, int64_t head, int64_t first, float factor, float* out) {
  const T* data = x.const_data_ptr<T>() + batch * x.stride(0) + head * x.stride(1) + first * x.stride(2);
  const int64_t width = x.size(3), count = std::min(QUERIES, x.size(2) - first);
  for (int64_t i = 0; i < count; ++i, data += x.stride(2))
    for (int64_t k = 0; k < width; ++k) out[k * QUERIES + i] = float(data[k]) * factor;
}

// out[j][i] = start[j] + sum_k rows[j][k] columns[k][i], for a block of rows.
void products(const float* rows, int64_t stride, const float* start, const float* columns, int64_t width,
              int64_t count, float* out) {
  for (int64_t j = 0; j < count; j += KEYS) {
    Vector acc[KEYS][WIDE];
    for (int r = 0; r < KEYS; ++r)
      for (int w = 0; w < WIDE; ++w) acc[r][w] = broadcast(start ? start[j + r] : 0.0f);
    for (int64_t k = 0; k < width; ++k) {
      Vector column[WIDE];
      for (int w = 0; w < WIDE; ++w) column[w] = load(columns + k * QUERIES + w * LANES);
      for (int r = 0; r < KEYS; ++r) {
        const Vector row = broadcast(rows[(j + r) * stride + k]);
        for (int w = 0; w < WIDE; ++w) acc[r][w] = fma(row, column[w], acc[r][w]);
      }
    }
    for (int r = 0; r < KEYS; ++r)
      for (int w = 0; w < WIDE; ++w) store(out + (j + r) * QUERIES + w * LANES, acc[r][w]);
  }
}

// sums[k][i] += sum_j rows[j][k] weights[j][i]; the width is a multiple of KEYS.
void accumulate(const float* rows, int64_t stride, const float* weights, int64_t width, int64_t count,
                float* sums) {
  for (int64_t k = 0; k < width; k += KEYS) {
    Vector acc[KEYS][WIDE];
    for (int r = 0; r < KEYS; ++r)
      for (int w = 0; w < WIDE; ++w) acc[r][w] = load(sums + (k + r) * QUERIES + w * LANES);
    for (int64_t j = 0; j < count; ++j) {
      Vector weight[WIDE];
      for (int w = 0; w < WIDE; ++w) weight[w] = load(weights + j * QUERIES + w * LANES);
      for (int r = 0; r < KEYS; ++r) {
        const Vector row = broadcast(rows[j * stride + k + r]);
        for (int w = 0; w < WIDE; ++w) acc[r][w] = fma(row, weight[w], acc[r][w]);
      }
    }
    for (int r = 0; r < KEYS; ++r)
      for (int w = 0; w < WIDE; ++w) store(sums + (k + r) * QUERIES + w * LANES, acc[r][w]);
  }
}

// Rows of a head of a tensor [B, n, N, D]: x[i][c] = factor data[i row + c column].
template <typename T>
void write(const float* data, int64_t row, int64_t column, int64_t count, float factor, const at::Tensor& x,
           int64_t batch, int64_t head, int64_t first) {
  T* to = x.mutable_data_ptr<T>() + batch * x.stride(0) + head * x.stride(1) + first * x.stride(2);
  for (int64_t i = 0; i < count; ++i, to += x.stride(2))
    for (int64_t c = 0; c < x.size(3); ++c) to[c] = T(data[i * row + c * column] * factor);
}

// The bias of the keys of a head in bits, -inf for those that fill the last tile.
std::vector<float> bias_of(const std::optional<at::Tensor>& bias, int64_t batch, int64_t head, int64_t keys) {
  std::vector<float> start(padded(keys, KEYS), 0.0f);
  std::fill(start.begin() + keys, start.end(), -INF);
  if (bias) {
    const float* data = bias->const_data_ptr<float>() + (bias->size(0) > 1 ? batch : 0) * bias->stride(0) +
                        (bias->size(1) > 1 ? head : 0) * bias->stride(1);
    for (int64_t j = 0; j < keys; ++j) start[j] = data[j * bias->stride(3)] * LOG2E;
  }
  return start;
}

at::Tensor unit_stride(const at::Tensor& x) {
  return x.stride(3) == 1 || x.size(3) == 1 ? x : x.contiguous();
}

// A tensor [B, n, N, D] like x, stored as [B, N, n, D].
at::Tensor empty_like(const at::Tensor& x) {
  return at::empty({x.size(0), x.size(2), x.size(1), x.size(3)}, x.options()).transpose(1, 2);
}

void check(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
           const std::optional<at::Tensor>& bias) {
  const at::ScalarType type = q.scalar_type();
  const bool known = type == at::kFloat || type == at::kBFloat16;
  TORCH_CHECK(known && type == k.scalar_type() && type == v.scalar_type(),
              "attention: expected fp32 or bf16, the same for all");
  TORCH_CHECK(q.dim() == 4 && k.sizes() == v.sizes() && k.dim() == 4 && q.size(0) == k.size(0) &&
                  q.size(1) == k.size(1) && q.size(3) == k.size(3) && k.size(2) > 0,
              "attention: expected queries [B, n, T, D], keys and values [B, n, S, D]");
  TORCH_CHECK(!bias || (bias->scalar_type() == at::kFloat && bias->dim() == 4 && bias->size(2) == 1 &&
                        bias->size(3) == k.size(2) && (bias->size(0) == 1 || bias->size(0) == q.size(0)) &&
                        (bias->size(1) == 1 || bias->size(1) == q.size(1))),
              "attention: a bias must be fp32 [B or 1, n or 1, 1, S]");
}

}  // namespace
