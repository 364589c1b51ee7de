// What both passes of group normalisation share: the layout, and the factors of each channel of a row.
//
// x [B, C, H, W], stored as [B, H W, C], fp32 or bf16. Positions are divided into chunks, which threads
// share; the sums of chunks are added in order, so that no result depends on the number of threads.

#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "vectors.h"

namespace {

constexpr int64_t CHUNK = 256, GRAIN = 1 << 14;  // positions; least number of values of a thread

struct Layout {
  int64_t rows, channels, positions, groups, chunks;

  Layout(const at::Tensor& x, int64_t groups)
      : rows(x.size(0)), channels(x.size(1)), positions(x.size(2) * x.size(3)), groups(groups),
        chunks((positions + CHUNK - 1) / CHUNK) {}

  int64_t of_group() const { return channels / groups; }

  // work(row, first position, number of positions, index of the chunk), divided among the threads.
  template <typename Work>
  void for_chunks(const Work& work) const {
    const int64_t grain = std::max<int64_t>(1, GRAIN / (CHUNK * channels));
    at::parallel_for(0, rows * chunks, grain, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t first = task % chunks * CHUNK;
        work(task / chunks, first, std::min(CHUNK, positions - first), task);
      }
    });
  }
};

// An optional tensor [C] or [B, C], in fp32.
struct Channels {
  at::Tensor tensor;
  const float* data = nullptr;
  int64_t stride = 0;

  explicit Channels(const std::optional<at::Tensor>& x) {
    if (!x) return;
    tensor = x->to(at::kFloat).contiguous();
    data = tensor.const_data_ptr<float>(), stride = tensor.dim() == 2 ? tensor.size(1) : 0;
  }

  float at(int64_t row, int64_t channel, float otherwise) const {
    return data ? data[row * stride + channel] : otherwise;
  }
};

// z = f h + t of the standardized h:  factor f = w (1 + scale), term t = b (1 + scale) + shift.
struct Modulation {
  Channels added, weight, bias, scale, shift;

  float factor(int64_t row, int64_t c) const { return weight.at(row, c, 1) * (1 + scale.at(row, c, 0)); }
  float term(int64_t row, int64_t c) const {
    return bias.at(row, c, 0) * (1 + scale.at(row, c, 0)) + shift.at(row, c, 0);
  }
};

void check(const at::Tensor& x, int64_t groups) {
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16, "group_norm: fp32 or bf16");
  TORCH_CHECK(x.dim() == 4 && groups > 0 && x.size(1) % groups == 0,
              "group_norm: expected x [B, C, H, W], where C is a multiple of the groups");
}

}  // namespace
