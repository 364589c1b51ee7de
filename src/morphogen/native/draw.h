// Ancestral sampling: the inverse cumulative distribution of a softmax at a uniform number.
//
//     x = min { v : sum_(w <= v) p_w >= u },   p = softmax(logits / temperature);   argmax at temperature 0
//
// Weights have single precision, sums double, so that x is the twin's unless u is within 1e-6 of a bound.

#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "vectors.h"

namespace {

// -1: a logit is NaN or infinite. The logits are overwritten, and padded to whole vectors.
inline int64_t draw(float* logits, int64_t count, float u, double temperature) {
  float largest = -std::numeric_limits<float>::infinity();
  int64_t likeliest = 0;
  float not_finite = 0;
  for (int64_t i = 0; i < count; ++i) {
    not_finite += logits[i] * 0;
    if (logits[i] > largest) largest = logits[i], likeliest = i;
  }
  if (not_finite != 0) return -1;
  if (temperature < std::numeric_limits<float>::min()) return likeliest;
  const float factor = 1.44269504088896340736 / temperature;
  double total = 0;
  for (int64_t i = 0; i < count; i += LANES)
    store(logits + i, exp2((load(logits + i) - largest) * factor), count - i);
  for (int64_t i = 0; i < count; ++i) total += logits[i];
  const double bound = u * total;
  double mass = 0;
  int64_t v = 0;
  for (; v < count - 1; ++v)
    if ((mass += logits[v]) >= bound) break;
  return v;
}

// Tokens [B, N], of which those to be drawn are -1, and uniform numbers [B, N].
struct Draws {
  int64_t* tokens;
  const float* uniforms;
  int64_t rows, length, vocabulary, end = -1;
  double temperature;
  bool* ended = nullptr;  // the rows whose drawn tokens included the end; they are left as they are

  Draws(const at::Tensor& given, const at::Tensor& numbers, int64_t vocabulary, double temperature)
      : vocabulary(vocabulary), temperature(temperature) {
    TORCH_CHECK(given.is_contiguous() && given.scalar_type() == at::kLong && given.dim() == 2,
                "tokens: must be contiguous int64 [B, N]");
    TORCH_CHECK(numbers.is_contiguous() && numbers.scalar_type() == at::kFloat &&
                    numbers.sizes() == given.sizes(),
                "uniforms: must be contiguous float32 [B, N]");
    rows = given.size(0), length = given.size(1);
    tokens = given.data_ptr<int64_t>(), uniforms = numbers.const_data_ptr<float>();
  }

  void end_with(int64_t token, const at::Tensor& flags) {
    TORCH_CHECK(flags.is_contiguous() && flags.scalar_type() == at::kBool && flags.numel() == rows,
                "ended: must be contiguous bool [B]");
    end = token, ended = flags.data_ptr<bool>();
  }

  // The positions from `first` to before `last` can be drawn: the ones before them are known.
  void check(int64_t first, int64_t last) const {
    TORCH_CHECK(0 <= first && last <= length, "positions ", first, " to ", last, " of ", length);
    for (int64_t row = 0; first > 0 && row < rows; ++row)
      TORCH_CHECK(finished(row, row + 1) || known(row, first - 1), "tokens: unknown before position ", first);
  }

  int64_t token(int64_t row, int64_t i) const { return tokens[row * length + i]; }
  bool wanted(int64_t row, int64_t i) const { return token(row, i) < 0; }
  bool known(int64_t row, int64_t i) const { return 0 <= token(row, i) && token(row, i) < vocabulary; }
  bool finished(int64_t first, int64_t last) const {
    return ended != nullptr && std::all_of(ended + first, ended + last, [](bool flag) { return flag; });
  }

  // Draw the token unless it is given; returns whether it is known then, or the row finished.
  bool decide(int64_t row, int64_t i, float* logits) const {
    if (finished(row, row + 1)) return true;
    if (!wanted(row, i)) return known(row, i);
    const int64_t drawn = draw(logits, vocabulary, uniforms[row * length + i], temperature);
    tokens[row * length + i] = drawn;
    if (ended != nullptr) ended[row] = drawn == end;
    return drawn >= 0;
  }
};

}  // namespace
