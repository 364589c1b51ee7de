// The gradients of group normalisation with what stands around it; the notation is that of `group_norm.cpp`.
//
//     dz = dy silu'(z),  silu'(z) = s (1 + z (1 - s)),  s = sigmoid(z),  z = f h + t,  h = (x' - mean) / std
//     p = sum_i dz,  q = sum_i dz h                              over the positions of a channel of a row
//     dx = (f dz - mean(f dz) - h mean(f dz h)) / std            means over a group of channels of a row
//
// where f = w (1 + scale) and t = b (1 + scale) + shift. -> dx, like x, and (p, q) [2, B, C], of which the
// gradients of the other arguments are sums. z is computed again, twice.

#include <torch/library.h>

#include <tuple>

#include "group_norm.h"

namespace {

// h = x standard + center;  dz from dy and h.
struct Factors {
  std::vector<float> standard, center, factor, term;

  Factors(const Layout& layout, const Modulation& modulation, const float* found)
      : standard(layout.rows * layout.channels), center(standard), factor(standard), term(standard) {
    for (int64_t row = 0, at = 0; row < layout.rows; ++row)
      for (int64_t c = 0; c < layout.channels; ++c, ++at) {
        const float* group = found + (row * layout.groups + c / layout.of_group()) * 2;
        standard[at] = group[1], center[at] = (modulation.added.at(row, c, 0) - group[0]) * group[1];
        factor[at] = modulation.factor(row, c), term[at] = modulation.term(row, c);
      }
  }

  template <bool silu>
  Vector gradient(Vector dy, Vector h, int64_t at, int64_t lanes) const {
    if constexpr (!silu) return dy;
    const Vector z = fma(h, load(&factor[at], lanes), load(&term[at], lanes)), s = sigmoid(z);
    return dy * s * fma(z, 1.0f - s, broadcast(1));
  }
};

// p and q of some positions of a row: [2, C].
template <typename T, bool silu>
void sums(const T* x, const T* dy, const Factors& f, int64_t row, int64_t channels, int64_t count,
          float* out) {
  for (int64_t c = 0; c < channels; c += LANES) {
    const int64_t lanes = channels - c, at = row * channels + c;
    const Vector standard = load(&f.standard[at], lanes), center = load(&f.center[at], lanes);
    Vector p{}, q{};
    for (int64_t i = 0; i < count; ++i) {
      const Vector h = fma(load(x + i * channels + c, lanes), standard, center);
      const Vector dz = f.gradient<silu>(load(dy + i * channels + c, lanes), h, at, lanes);
      p = p + dz, q = fma(dz, h, q);
    }
    store(out + c, p, lanes), store(out + channels + c, q, lanes);
  }
}

// dx = dz from_dz - from_one - h from_h
template <typename T, bool silu>
void inputs(const T* x, const T* dy, const Factors& f, int64_t row, int64_t channels, int64_t count,
            const float* one, const float* along, T* dx) {
  for (int64_t i = 0; i < count; ++i, x += channels, dy += channels, dx += channels)
    for (int64_t c = 0; c < channels; c += LANES) {
      const int64_t lanes = channels - c, at = row * channels + c;
      const Vector standard = load(&f.standard[at], lanes);
      const Vector h = fma(load(x + c, lanes), standard, load(&f.center[at], lanes));
      const Vector dz = f.gradient<silu>(load(dy + c, lanes), h, at, lanes) * load(&f.factor[at], lanes);
      const Vector rest = fma(h, load(along + c, lanes), load(one + c, lanes));
      store(dx + c, (dz - rest) * standard, lanes);
    }
}

template <typename T, bool silu>
void backward(const at::Tensor& gradient, const at::Tensor& x, const Modulation& modulation,
              const Layout& layout, const at::Tensor& found, const at::Tensor& dx, const at::Tensor& pq) {
  const int64_t channels = layout.channels, row_size = layout.positions * channels, size = layout.of_group();
  const Factors f(layout, modulation, found.const_data_ptr<float>());
  const T *data = x.const_data_ptr<T>(), *dy = gradient.const_data_ptr<T>();
  std::vector<float> chunks(layout.rows * layout.chunks * 2 * channels);
  layout.for_chunks([&](int64_t row, int64_t first, int64_t count, int64_t task) {
    const int64_t at = row * row_size + first * channels;
    sums<T, silu>(data + at, dy + at, f, row, channels, count, &chunks[task * 2 * channels]);
  });
  float *p = pq.mutable_data_ptr<float>(), *q = p + layout.rows * channels;
  std::vector<float> one(layout.rows * channels), along(one);
  for (int64_t row = 0; row < layout.rows; ++row) {
    const float* chunk = &chunks[row * layout.chunks * 2 * channels];
    for (int64_t c = 0; c < channels; ++c) {
      double total_p = 0, total_q = 0;
      for (int64_t k = 0; k < layout.chunks; ++k) {
        total_p += chunk[k * 2 * channels + c], total_q += chunk[(k * 2 + 1) * channels + c];
      }
      p[row * channels + c] = float(total_p), q[row * channels + c] = float(total_q);
    }
    for (int64_t first = row * channels; first < (row + 1) * channels; first += size) {
      double mean_p = 0, mean_q = 0;
      for (int64_t at = first; at < first + size; ++at) {
        mean_p += f.factor[at] * p[at], mean_q += f.factor[at] * q[at];
      }
      for (int64_t at = first; at < first + size; ++at) {
        one[at] = float(mean_p / double(size * layout.positions));
        along[at] = float(mean_q / double(size * layout.positions));
      }
    }
  }
  layout.for_chunks([&](int64_t row, int64_t first, int64_t count, int64_t) {
    const int64_t at = row * row_size + first * channels;
    inputs<T, silu>(data + at, dy + at, f, row, channels, count, &one[row * channels], &along[row * channels],
                    dx.mutable_data_ptr<T>() + at);
  });
}

using Optional = std::optional<at::Tensor>;

std::tuple<at::Tensor, at::Tensor> group_norm_backward(
    const at::Tensor& gradient, const at::Tensor& x, const Optional& added, const Optional& weight,
    const Optional& bias, const Optional& scale, const Optional& shift, int64_t groups, bool silu,
    const at::Tensor& statistics) {
  check(x, groups);
  TORCH_CHECK(gradient.sizes() == x.sizes() && gradient.scalar_type() == x.scalar_type(),
              "group_norm_backward: expected a gradient like x");
  const auto format = at::MemoryFormat::ChannelsLast;
  const at::Tensor dense = x.contiguous(format), dy = gradient.contiguous(format);
  const at::Tensor dx = at::empty_like(dense, dense.options(), format);
  const at::Tensor pq = at::empty({2, x.size(0), x.size(1)}, x.options().dtype(at::kFloat));
  const Modulation modulation{Channels(added), Channels(weight), Channels(bias), Channels(scale),
                              Channels(shift)};
  const bool single = x.scalar_type() == at::kFloat;
  const auto run = single ? (silu ? backward<float, true> : backward<float, false>)
                          : (silu ? backward<at::BFloat16, true> : backward<at::BFloat16, false>);
  if (x.numel()) run(dy, dense, modulation, Layout(x, groups), statistics.contiguous(), dx, pq);
  return {dx, pq};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) {
  m.def(
      "group_norm_backward(Tensor gradient, Tensor x, Tensor? added, Tensor? weight, Tensor? bias, "
      "Tensor? scale, Tensor? shift, int groups, bool silu, Tensor statistics) -> (Tensor, Tensor)");
}

TORCH_LIBRARY_IMPL(morphogen, CPU, m) { m.impl("group_norm_backward", &group_norm_backward); }
