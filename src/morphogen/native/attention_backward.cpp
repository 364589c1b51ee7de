// The gradients of scaled dot-product attention, with its weights computed again (Dao et al. 2022).
//
//     w_ij = exp(s_ij - L_i)      g_ij = w_ij (do_i . v_j - do_i . o_i)
//     dq_i = c sum_j g_ij k_j      dk_j = c sum_i g_ij q_i      dv_j = sum_i w_ij do_i
//
// where s_ij = c q_i . k_j + b_j, c = 1 / sqrt(D), and all layouts are those of `attention.cpp`; the bias has
// no gradient. Heads are divided among the threads; no sum depends on their number.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <vector>

#include "attention.h"

namespace {

// out[j][c] += sum_i weights[j][i] rows[i][c], over the queries of a tile; the stride is a multiple of LANES.
void gather(const float* weights, const float* rows, int64_t stride, int64_t count, float* out) {
  for (int64_t j = 0; j < count; j += KEYS)
    for (int64_t c = 0; c < stride; c += LANES) {
      Vector acc[KEYS];
      for (int r = 0; r < KEYS; ++r) acc[r] = load(out + (j + r) * stride + c);
      for (int64_t i = 0; i < QUERIES; ++i) {
        const Vector row = load(rows + i * stride + c);
        for (int r = 0; r < KEYS; ++r) acc[r] = fma(broadcast(weights[(j + r) * QUERIES + i]), row, acc[r]);
      }
      for (int r = 0; r < KEYS; ++r) store(out + (j + r) * stride + c, acc[r]);
    }
}

// A tile of queries in the backward pass.
struct Tile {
  std::vector<float> query, gradient, query_columns, gradient_columns, sums;  // sums: dq
  float log[QUERIES], along[QUERIES];                                         // L_i, do_i . o_i

  explicit Tile(int64_t stride)
      : query(QUERIES * stride), gradient(query), query_columns(query), gradient_columns(query),
        sums(query) {}

  template <typename T>
  void read(const at::Tensor& q, const at::Tensor& out, const at::Tensor& grad, const float* logs,
            int64_t batch, int64_t head, int64_t first, int64_t stride, float factor) {
    const int64_t count = std::min(QUERIES, q.size(2) - first), width = q.size(3);
    for (auto* part : {&query, &gradient, &query_columns, &gradient_columns, &sums})
      std::fill(part->begin(), part->end(), 0.0f);
    rows_of<T>(out, batch, head, first, count, stride, query.data());
    rows_of<T>(grad, batch, head, first, count, stride, gradient.data());
    for (int64_t i = 0; i < QUERIES; ++i) {
      log[i] = i < count ? logs[i] : INF, along[i] = 0;  // beyond the last query, all weights are 0
      for (int64_t c = 0; c < width; ++c) along[i] += query[i * stride + c] * gradient[i * stride + c];
    }
    rows_of<T>(q, batch, head, first, count, stride, query.data());
    columns_of<T>(q, batch, head, first, factor, query_columns.data());
    columns_of<T>(grad, batch, head, first, 1, gradient_columns.data());
  }

  // Scores -> weights, and do_i . v_j -> g_ij.
  void differentiate(float* scores, float* products, int64_t count) const {
    for (int64_t at = 0; at < count * QUERIES; at += LANES) {
      const Vector weight = exp2(load(scores + at) - load(log + at % QUERIES));
      store(scores + at, weight);
      store(products + at, weight * (load(products + at) - load(along + at % QUERIES)));
    }
  }
};

template <typename T>
void backward(const at::Tensor& grad, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
              const std::optional<at::Tensor>& bias, const at::Tensor& out, const at::Tensor& logs,
              const at::Tensor& dq, const at::Tensor& dk, const at::Tensor& dv) {
  const int64_t heads = q.size(1), queries = q.size(2), keys = k.size(2), width = q.size(3);
  const int64_t stride = padded(width, LANES), rows = padded(keys, KEYS);
  const float scale = 1 / std::sqrt(float(width));
  at::parallel_for(0, q.size(0) * heads, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> key(rows * stride), value(key), dkey(key), dvalue(key);
    std::vector<float> weights(BLOCK * QUERIES), gradients(weights);
    Tile tile(stride);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t batch = task / heads, head = task % heads;
      const std::vector<float> start = bias_of(bias, batch, head, keys);
      rows_of<T>(k, batch, head, 0, keys, stride, key.data());
      rows_of<T>(v, batch, head, 0, keys, stride, value.data());
      std::fill(dkey.begin(), dkey.end(), 0.0f), std::fill(dvalue.begin(), dvalue.end(), 0.0f);
      for (int64_t first = 0; first < queries; first += QUERIES) {
        const float* log = logs.const_data_ptr<float>() + task * queries + first;
        tile.read<T>(q, out, grad, log, batch, head, first, stride, scale * LOG2E);
        for (int64_t j = 0; j < rows; j += BLOCK) {
          const int64_t count = std::min(BLOCK, rows - j), at = j * stride;
          products(&key[at], stride, &start[j], tile.query_columns.data(), width, count, weights.data());
          products(&value[at], stride, nullptr, tile.gradient_columns.data(), width, count, gradients.data());
          tile.differentiate(weights.data(), gradients.data(), count);
          gather(weights.data(), tile.gradient.data(), stride, count, &dvalue[at]);
          gather(gradients.data(), tile.query.data(), stride, count, &dkey[at]);
          accumulate(&key[at], stride, gradients.data(), stride, count, tile.sums.data());
        }
        const int64_t count = std::min(QUERIES, queries - first);
        write<T>(tile.sums.data(), 1, QUERIES, count, scale, dq, batch, head, first);
      }
      write<T>(dkey.data(), stride, 1, keys, scale, dk, batch, head, 0);
      write<T>(dvalue.data(), stride, 1, keys, 1, dv, batch, head, 0);
    }
  });
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> attention_backward(
    const at::Tensor& grad, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    const std::optional<at::Tensor>& bias, const at::Tensor& out, const at::Tensor& logs) {
  check(q, k, v, bias);
  const at::Tensor dq = empty_like(q), dk = empty_like(k), dv = empty_like(v);
  const auto run = q.scalar_type() == at::kFloat ? backward<float> : backward<at::BFloat16>;
  run(unit_stride(grad), unit_stride(q), unit_stride(k), unit_stride(v), bias, unit_stride(out),
      logs.contiguous(), dq, dk, dv);
  return {dq, dk, dv};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) {
  m.def(
      "attention_backward(Tensor gradient, Tensor queries, Tensor keys, Tensor values, Tensor? bias, "
      "Tensor out, Tensor logs) -> (Tensor, Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(morphogen, CPU, m) { m.impl("attention_backward", &attention_backward); }
