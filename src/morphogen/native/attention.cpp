// Scaled dot-product attention without a matrix of weights in memory (FlashAttention, Dao et al. 2022).
//
//     o_i = sum_j exp(s_ij - L_i) v_j,   s_ij = q_i . k_j / sqrt(D) + b_j,   L_i = log sum_j exp(s_ij)
//
// q [B, n, T, D], k and v [B, n, S, D], fp32 or bf16 in any strides -> o [B, n, T, D], stored as
// [B, T, n, D], and L / log 2, [B, n, T] in fp32. b is a bias of the keys, [B or 1, n or 1, 1, S], and may be
// -inf. Chunks of the queries of each head are divided among the threads; no sum depends on their number.

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

constexpr int64_t CHUNK = 512;  // queries for which the keys and values of a head are read once

// Largest score, sum of weights and weighted values of a tile, as the blocks of keys arrive.
struct Softmax {
  Vector most[WIDE], total[WIDE];

  Softmax() {
    for (int w = 0; w < WIDE; ++w) most[w] = broadcast(-1e30f), total[w] = Vector{};
  }

  // Scores of a block -> weights relative to the largest score so far, to which `sums` are scaled.
  void add(float* scores, int64_t count, int64_t width, float* sums) {
    for (int w = 0; w < WIDE; ++w) {
      Vector largest = most[w];
      for (int64_t j = 0; j < count; ++j) largest = max(largest, load(scores + j * QUERIES + w * LANES));
      const Vector scale = exp2(most[w] - largest);
      most[w] = largest, total[w] = total[w] * scale;
      for (int64_t k = 0; k < width; ++k) {
        float* at = sums + k * QUERIES + w * LANES;
        store(at, load(at) * scale);
      }
      for (int64_t j = 0; j < count; ++j) {
        float* at = scores + j * QUERIES + w * LANES;
        const Vector weight = exp2(load(at) - largest);
        store(at, weight), total[w] = total[w] + weight;
      }
    }
  }
};

template <typename T>
void forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
             const std::optional<at::Tensor>& bias, const at::Tensor& out, const at::Tensor& logs) {
  const int64_t heads = q.size(1), queries = q.size(2), keys = k.size(2), width = q.size(3);
  const int64_t stride = padded(width, KEYS), chunks = (queries + CHUNK - 1) / CHUNK;
  const float factor = LOG2E / std::sqrt(float(width));
  at::parallel_for(0, q.size(0) * heads * chunks, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> key(padded(keys, KEYS) * stride), value(key.size());
    std::vector<float> columns(width * QUERIES), sums(stride * QUERIES), weights(BLOCK * QUERIES);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t batch = task / (heads * chunks), head = task / chunks % heads;
      const std::vector<float> start = bias_of(bias, batch, head, keys);
      rows_of<T>(k, batch, head, 0, keys, stride, key.data());
      rows_of<T>(v, batch, head, 0, keys, stride, value.data());
      const int64_t last = std::min(queries, (task % chunks + 1) * CHUNK);
      for (int64_t first = task % chunks * CHUNK; first < last; first += QUERIES) {
        columns_of<T>(q, batch, head, first, factor, columns.data());
        std::fill(sums.begin(), sums.end(), 0.0f);
        Softmax softmax;
        for (int64_t j = 0; j < keys; j += BLOCK) {
          const int64_t count = std::min(BLOCK, padded(keys, KEYS) - j);
          products(&key[j * stride], stride, &start[j], columns.data(), width, count, weights.data());
          softmax.add(weights.data(), count, stride, sums.data());
          accumulate(&value[j * stride], stride, weights.data(), stride, count, sums.data());
        }
        for (int64_t i = 0; i < std::min(QUERIES, last - first); ++i) {
          const float total = softmax.total[i / LANES][i % LANES];
          write<T>(&sums[i], 1, QUERIES, 1, 1 / total, out, batch, head, first + i);
          logs.mutable_data_ptr<float>()[(batch * heads + head) * queries + first + i] =
              softmax.most[i / LANES][i % LANES] + std::log2(total);
        }
      }
    }
  });
}

std::tuple<at::Tensor, at::Tensor> attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                             const std::optional<at::Tensor>& bias) {
  check(q, k, v, bias);
  const at::Tensor out = empty_like(q);
  const at::Tensor logs = at::empty(q.sizes().slice(0, 3), q.options().dtype(at::kFloat));
  const auto run = q.scalar_type() == at::kFloat ? forward<float> : forward<at::BFloat16>;
  run(unit_stride(q), unit_stride(k), unit_stride(v), bias, out, logs);
  return {out, logs};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) {
  m.def("attention(Tensor queries, Tensor keys, Tensor values, Tensor? bias) -> (Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(morphogen, CPU, m) { m.impl("attention", &attention); }
