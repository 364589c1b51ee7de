// Group normalisation (Wu & He 2018), with what usually stands around it, in two passes over x.
//
//     y = act((1 + scale) (w (x' - mean) / sqrt(var + eps) + b) + shift),   x' = x + added,   act = silu or 1
//
// x [B, C, H, W], stored as [B, H W, C], or copied so; added, scale, shift [B, C], w, b [C], each optional.
// mean and var are those of a group of channels of a row -> y, like x, and mean and 1 / sqrt(var + eps),
// [B, G, 2]. Sums over a chunk of positions are in fp32, relative to its first position; the rest is double.

#include <torch/library.h>

#include <cmath>
#include <tuple>

#include "group_norm.h"

namespace {

// Sum and sum of squares of the channels over some positions, relative to those of the first: [3, C].
template <typename T>
void moments(const T* x, int64_t channels, int64_t count, float* out) {
  for (int64_t c = 0; c < channels; c += LANES) {
    const int64_t lanes = channels - c;
    const Vector first = load(x + c, lanes);
    Vector total{}, square{};
    for (int64_t i = 1; i < count; ++i) {
      const Vector difference = load(x + i * channels + c, lanes) - first;
      total = total + difference, square = fma(difference, difference, square);
    }
    store(out + c, first, lanes), store(out + channels + c, total, lanes);
    store(out + 2 * channels + c, square, lanes);
  }
}

// Mean and 1 / sqrt(var + eps) of the groups of a row, from the moments of its chunks.
void statistics(const Layout& layout, const float* chunks, const Channels& added, int64_t row, double eps,
                float* out) {
  const int64_t channels = layout.channels, size = layout.of_group();
  std::vector<double> mean(channels), spread(channels);  // of one channel; spread: sum (x - mean)^2
  double counted = 0;
  for (int64_t k = 0; k < layout.chunks; ++k, chunks += 3 * channels) {
    const double count = double(std::min(CHUNK, layout.positions - k * CHUNK));
    for (int64_t c = 0; c < channels; ++c) {
      const double total = chunks[channels + c], here = chunks[c] + total / count, apart = here - mean[c];
      spread[c] += chunks[2 * channels + c] - total * total / count +
                   apart * apart * counted * count / (counted + count);
      mean[c] += apart * count / (counted + count);
    }
    counted += count;
  }
  for (int64_t g = 0; g < layout.groups; ++g) {
    double center = 0, total = 0;
    for (int64_t c = g * size; c < (g + 1) * size; ++c) center += mean[c] += added.at(row, c, 0);
    center /= double(size);
    for (int64_t c = g * size; c < (g + 1) * size; ++c) {
      total += spread[c] + counted * (mean[c] - center) * (mean[c] - center);
    }
    out[2 * g] = float(center);
    out[2 * g + 1] = float(1 / std::sqrt(std::max(total / (counted * double(size)), 0.0) + eps));
  }
}

template <typename T, bool silu>
void apply(const T* x, const float* factor, const float* term, int64_t channels, int64_t count, T* y) {
  for (int64_t i = 0; i < count; ++i, x += channels, y += channels) {
    for (int64_t c = 0; c < channels; c += LANES) {
      const int64_t lanes = channels - c;
      const Vector z = fma(load(x + c, lanes), load(factor + c, lanes), load(term + c, lanes));
      store(y + c, silu ? z * sigmoid(z) : z, lanes);
    }
  }
}

template <typename T>
void forward(const at::Tensor& x, const Modulation& modulation, const Layout& layout, double eps, bool silu,
             const at::Tensor& y, const at::Tensor& found) {
  const int64_t channels = layout.channels, row_size = layout.positions * channels;
  const T* data = x.const_data_ptr<T>();
  T* to = y.mutable_data_ptr<T>();
  float* statistic = found.mutable_data_ptr<float>();
  std::vector<float> chunks(layout.rows * layout.chunks * 3 * channels);
  layout.for_chunks([&](int64_t row, int64_t first, int64_t count, int64_t task) {
    moments(data + row * row_size + first * channels, channels, count, &chunks[task * 3 * channels]);
  });
  std::vector<float> factors(layout.rows * channels), terms(factors);
  for (int64_t row = 0; row < layout.rows; ++row) {
    float* groups = statistic + row * layout.groups * 2;
    statistics(layout, &chunks[row * layout.chunks * 3 * channels], modulation.added, row, eps, groups);
    for (int64_t c = 0; c < channels; ++c) {
      const float *group = groups + c / layout.of_group() * 2, a = modulation.factor(row, c) * group[1];
      factors[row * channels + c] = a;
      terms[row * channels + c] =
          a * (modulation.added.at(row, c, 0) - group[0]) + modulation.term(row, c);
    }
  }
  const auto work = silu ? apply<T, true> : apply<T, false>;
  layout.for_chunks([&](int64_t row, int64_t first, int64_t count, int64_t) {
    const int64_t at = row * row_size + first * channels;
    work(data + at, &factors[row * channels], &terms[row * channels], channels, count, to + at);
  });
}

using Optional = std::optional<at::Tensor>;

std::tuple<at::Tensor, at::Tensor> group_norm(const at::Tensor& x, const Optional& added,
                                              const Optional& weight, const Optional& bias,
                                              const Optional& scale, const Optional& shift, int64_t groups,
                                              double eps, bool silu) {
  check(x, groups);
  const at::Tensor dense = x.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor y = at::empty_like(dense, dense.options(), at::MemoryFormat::ChannelsLast);
  const at::Tensor found = at::empty({x.size(0), groups, 2}, x.options().dtype(at::kFloat));
  const Modulation modulation{Channels(added), Channels(weight), Channels(bias), Channels(scale),
                              Channels(shift)};
  const auto run = x.scalar_type() == at::kFloat ? forward<float> : forward<at::BFloat16>;
  if (x.numel()) run(dense, modulation, Layout(x, groups), eps, silu, y, found);
  return {y, found};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) {
  m.def(
      "group_norm(Tensor x, Tensor? added, Tensor? weight, Tensor? bias, Tensor? scale, Tensor? shift, "
      "int groups, float eps, bool silu) -> (Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(morphogen, CPU, m) { m.impl("group_norm", &group_norm); }
