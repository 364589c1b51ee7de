// One entry of a masked autoregressive network (Germain et al. 2015): the units of its degree, then theta.
//
//     h_l[start:end] = relu(b_l + W_l h_(l-1)[:n_l]),   n_1 = length, n_l = end afterwards;   h_0 = x
//     theta          = b + W h_L[:end]
//
// x and every h_l are [units, B], so that a row of the batch is a column, and what is known comes first. The
// columns are independent: each tile of COLUMNS passes through all layers while it is in the cache, and tiles
// are divided among the threads. Sums run over the known units in order, in single precision.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace {

constexpr int64_t COLUMNS = 64, GRAIN = 1 << 18;  // multiply-adds that are worth another thread

struct Linear {
  const float *weight, *bias;
  int64_t units, inputs, weight_stride, bias_row, bias_column;
};

// R units of one tile: out[r][c] = b[r][c] + sum_k W[r][k] in[k][c], and 0 instead if negative and rectified.
template <int R, bool whole>
void tile(const Linear& f, int64_t unit, const float* in, float* out, int64_t rows, int64_t width,
          bool rectified) {
  const int64_t columns = whole ? COLUMNS : width;
  float sum[R][COLUMNS];
  for (int r = 0; r < R; ++r) {
    const float* bias = f.bias + (unit + r) * f.bias_row;
    for (int64_t c = 0; c < columns; ++c) sum[r][c] = bias[c * f.bias_column];
  }
  for (int64_t k = 0; k < f.inputs; ++k) {
    const float* x = in + k * rows;
    for (int r = 0; r < R; ++r) {
      const float w = f.weight[(unit + r) * f.weight_stride + k];
      for (int64_t c = 0; c < columns; ++c) sum[r][c] += w * x[c];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int64_t c = 0; c < columns; ++c)
      out[r * rows + c] = rectified ? std::max(sum[r][c], 0.0f) : sum[r][c];
}

template <bool whole>
void apply(const Linear& f, const float* in, float* out, int64_t rows, int64_t width, bool rectified) {
  const auto by = [&]<int R>(int64_t unit) {
    tile<R, whole>(f, unit, in, out + unit * rows, rows, width, rectified);
  };
  int64_t unit = 0;
  for (; unit + 4 <= f.units; unit += 4) by.template operator()<4>(unit);
  for (; unit + 2 <= f.units; unit += 2) by.template operator()<2>(unit);
  if (unit < f.units) by.template operator()<1>(unit);
}

Linear linear(const at::Tensor& weight, const at::Tensor& bias, int64_t inputs, int64_t rows) {
  TORCH_CHECK(weight.scalar_type() == at::kFloat && bias.scalar_type() == at::kFloat, "made: float32 only");
  TORCH_CHECK(weight.dim() == 2 && weight.size(1) >= inputs && (weight.size(1) < 2 || weight.stride(1) == 1),
              "made: a weight must be [units, inputs], row-major");
  const bool fits = bias.dim() == 2 && bias.size(0) == weight.size(0);
  TORCH_CHECK(fits && (bias.size(1) == 1 || bias.size(1) == rows),
              "made: a bias must be [units, 1] or [units, B]");
  return {weight.const_data_ptr<float>(), bias.const_data_ptr<float>(), weight.size(0), inputs,
          weight.stride(0), bias.stride(0), bias.size(1) == 1 ? 0 : bias.stride(1)};
}

// theta [P, B] of entry `length`; the entry before it, if any, is stored, and the units that it determines.
at::Tensor step(const std::optional<at::Tensor>& entry, at::TensorList known, at::TensorList weights,
                at::TensorList biases, const at::Tensor& last_weight, const at::Tensor& last_bias,
                int64_t length, int64_t start, int64_t end) {
  const int64_t rows = known[0].size(1), layers = int64_t(known.size()) - 1;
  for (const at::Tensor& h : known)
    TORCH_CHECK(h.is_contiguous() && h.scalar_type() == at::kFloat && h.dim() == 2 && h.size(1) == rows &&
                    (&h == known.data() ? length : end) <= h.size(0),
                "made: known must be contiguous float32 [units, B]");
  const at::Tensor theta = at::empty({last_weight.size(0), rows}, known[0].options());
  const Linear last = linear(last_weight, last_bias, end, rows);
  std::vector<Linear> hidden;
  int64_t work = last.units * end;
  for (int64_t i = 0; entry && i < layers; ++i) {
    hidden.push_back(linear(weights[i], biases[i], i ? end : length, rows));
    TORCH_CHECK(hidden[i].units == end - start, "made: a weight for each unit from start to end");
    work += hidden[i].units * hidden[i].inputs;
  }
  const at::Tensor given = entry ? entry->contiguous() : at::Tensor();
  TORCH_CHECK(!entry || (given.numel() == rows && given.scalar_type() == at::kFloat && length > 0),
              "made: an entry must be float32 [B]");
  float* x = known[0].data_ptr<float>();
  const int64_t tiles = (rows + COLUMNS - 1) / COLUMNS, per_tile = COLUMNS * std::max<int64_t>(work, 1);
  at::parallel_for(0, tiles, std::max<int64_t>(1, GRAIN / per_tile), [&](int64_t first, int64_t stop) {
    for (int64_t c = first * COLUMNS; c < std::min(stop * COLUMNS, rows); c += COLUMNS) {
      const int64_t width = std::min(COLUMNS, rows - c);
      const auto layer = width == COLUMNS ? apply<true> : apply<false>;
      if (entry) std::copy_n(given.const_data_ptr<float>() + c, width, x + (length - 1) * rows + c);
      for (int64_t i = 0; i < int64_t(hidden.size()); ++i) {
        float* units = known[i + 1].data_ptr<float>() + start * rows + c;
        Linear at_tile = hidden[i];
        at_tile.bias += c * at_tile.bias_column;
        layer(at_tile, known[i].data_ptr<float>() + c, units, rows, width, true);
      }
      Linear at_tile = last;
      at_tile.bias += c * at_tile.bias_column;
      layer(at_tile, known[layers].data_ptr<float>() + c, theta.data_ptr<float>() + c, rows, width, false);
    }
  });
  return theta;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) {
  m.def(
      "made_step(Tensor? entry, Tensor(a!)[] known, Tensor[] weights, Tensor[] biases, Tensor last_weight, "
      "Tensor last_bias, int length, int start, int end) -> Tensor");
}

TORCH_LIBRARY_IMPL(morphogen, CPU, m) { m.impl("made_step", &step); }
