// One step of a decoder-only transformer with pre-norm blocks, as GPT and LLaMA have, for few rows.
//
//     h += W_o attention(rotate(W_q n(h)), rotate(W_k n(h)), W_v n(h));   h += W_2 act(W_1 n(h))   each layer
//     y  = W n(h),                                                        n: LayerNorm or RMSNorm
//
// h [B, D] -> y [B, V]. The matrices, in the formats of matrix.h, are in the order of use: (W_q, W_k, W_v),
// W_o, W_1, W_2 of each layer, then W; gated networks have the gates in the first half of W_1. Row b has
// lengths[b] cached positions; its keys and values are stored after them in the caches of each layer,
// [B, n, T, d] in fp32 or bf16, where heads / n heads of queries share one of keys. Sums are in fp32.

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cmath>
#include <optional>
#include <string_view>

#include "products.h"

namespace {

constexpr float LOG2E = 0x1.715476p+0f;

inline Vector erf(Vector x) {  // Abramowitz & Stegun 1964, 7.1.26: within 1.5e-7
  const Vector size = max(x, -x), t = 1.0f / fma(broadcast(0.3275911f), size, broadcast(1));
  Vector p = broadcast(1.061405429f);
  for (const float c : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f})
    p = fma(p, t, broadcast(c));
  const Vector y = 1.0f - p * t * exp2(max(size * size * -LOG2E, broadcast(-126)));
  return x < Vector{} ? -y : y;
}

inline Vector relu(Vector x) { return max(x, Vector{}); }
inline Vector silu(Vector x) { return x * sigmoid(x); }
inline Vector gelu(Vector x) { return 0.5f * x * (1.0f + erf(x * 0x1.6a09e6p-1f)); }
inline Vector gelu_tanh(Vector x) { return x * sigmoid(1.5957691216f * fma(0.044715f * x * x, x, x)); }
inline Vector quick_gelu(Vector x) { return x * sigmoid(1.702f * x); }
typedef Vector (*Activation)(Vector);

struct Decoder {
  int64_t rows, width, heads, shared, head, window;  // shared: heads of keys and values; head: width of one
  const int64_t* lengths;
  const float *cos, *sin, *shifts, *biases, *last_bias, *norms;
  bool centred;
  float eps;
  at::TensorList::iterator next, end;  // of the matrices

  // y [B, N] = W x + c of the next matrix.
  std::vector<float> product(const std::vector<float>& x) {
    Matrix w(next, end);
    const int64_t count = int64_t(x.size()) / rows;
    TORCH_CHECK(count <= w.columns, "decoder: a matrix has ", w.columns, " columns for ", count, " inputs");
    TORCH_CHECK(!biases || w.rows <= last_bias - biases, "decoder: a bias is missing");
    if (biases) w.bias = biases, biases += w.rows;
    std::vector<float> y(rows * w.rows);
    multiply(w, x.data(), rows, count, y.data());
    return y;
  }

  // n(h) with the next norm, after h += update.
  std::vector<float> normalised(std::vector<float>& h, const std::vector<float>& update) {
    TORCH_CHECK(update.empty() || update.size() == h.size(), "decoder: a branch must be [B, D]");
    std::vector<float> out(h.size());
    for (int64_t b = 0; b < rows; ++b) {
      float *x = &h[b * width], *y = &out[b * width], mean = 0, square = 0;
      for (int64_t k = 0; !update.empty() && k < width; ++k) x[k] += update[b * width + k];
      if (centred) mean = total(x, 0) / width;
      square = total(x, mean, true) / width;
      const float factor = 1 / std::sqrt(square + eps);
      for (int64_t k = 0; k < width; ++k)
        y[k] = (x[k] - mean) * factor * norms[k] + (shifts ? shifts[k] : 0.0f);
    }
    norms += width, shifts += shifts ? width : 0;
    return out;
  }

  float total(const float* x, float mean, bool squared = false) const {
    Vector sums{};
    int64_t k = 0;
    for (; k + LANES <= width; k += LANES) {
      const Vector difference = load(x + k) - mean;
      sums = squared ? fma(difference, difference, sums) : sums + difference;
    }
    float rest = sum(sums);
    for (; k < width; ++k) rest += squared ? (x[k] - mean) * (x[k] - mean) : x[k] - mean;
    return rest;
  }

  void rotate(float* x, int64_t position) const {
    if (!cos) return;
    std::vector<float> from(x, x + head);
    for (int64_t i = 0; i < head; ++i)
      x[i] = from[i] * cos[position * head + i] + from[(i + head / 2) % head] * sin[position * head + i];
  }

  // The heads of all rows [B, heads d], from queries, keys and values [B, (heads + 2 shared) d].
  template <typename T>
  std::vector<float> attend(std::vector<float> joint, const at::Tensor& keys,
                            const at::Tensor& values) const {
    const int64_t all = (heads + 2 * shared) * head, group = heads / shared;
    TORCH_CHECK(int64_t(joint.size()) == rows * all, "decoder: expected (heads + 2 n) d projections");
    std::vector<float> out(rows * heads * head);
    at::parallel_for(0, rows * shared, 1, [&](int64_t first, int64_t last) {
      std::vector<float> scores;
      for (int64_t task = first; task < last; ++task) {
        const int64_t b = task / shared, g = task % shared, length = lengths[b];
        float *q = &joint[b * all + g * group * head], *k = &joint[b * all + (heads + g) * head];
        const float* v = k + shared * head;
        T* cached_k = keys.data_ptr<T>() + b * keys.stride(0) + g * keys.stride(1);
        T* cached_v = values.data_ptr<T>() + b * values.stride(0) + g * values.stride(1);
        rotate(k, length);
        for (int64_t i = 0; i < head; ++i)
          cached_k[length * head + i] = T(k[i]), cached_v[length * head + i] = T(v[i]);
        const int64_t start = window ? std::max<int64_t>(0, length + 1 - window) : 0;
        const int64_t count = length + 1 - start;
        for (int64_t i = 0; i < group; ++i) {
          scores.assign((count + LANES - 1) / LANES * LANES, -1e30f);
          rotate(q + i * head, length);
          score(q + i * head, cached_k + start * head, count, scores.data());
          mix(scores.data(), cached_v + start * head, count, &out[(b * heads + g * group + i) * head]);
        }
      }
    });
    return out;
  }

  // log2 of the weights of the keys, up to a constant.
  template <typename T>
  void score(const float* q, const T* keys, int64_t count, float* scores) const {
    const float factor = LOG2E / std::sqrt(float(head));
    for (int64_t j = 0; j < count; ++j, keys += head) {
      Vector sums{};
      int64_t i = 0;
      for (; i + LANES <= head; i += LANES) sums = fma(load(q + i), load(keys + i), sums);
      if (i < head) sums = fma(load(q + i, head - i), load(keys + i, head - i), sums);
      scores[j] = sum(sums) * factor;
    }
  }

  // The mean of the values with weights proportional to 2^score.
  template <typename T>
  void mix(float* scores, const T* values, int64_t count, float* out) const {
    Vector most = broadcast(-1e30f), weights{};
    for (int64_t j = 0; j < count; j += LANES) most = max(most, load(scores + j));
    float largest = most[0];
    for (int i = 1; i < LANES; ++i) largest = std::max(largest, most[i]);
    for (int64_t j = 0; j < count; j += LANES) {
      const Vector weight = exp2(load(scores + j) - largest);
      store(scores + j, weight), weights = weights + weight;
    }
    const float factor = 1 / sum(weights);
    const auto columns = [&]<int N>(int64_t i) {  // N vectors, whose sums don't wait for each other
      Vector sums[N] = {};
      for (int64_t j = 0; j < count; ++j)
        for (int n = 0; n < N; ++n)
          sums[n] = fma(broadcast(scores[j]), load(values + j * head + i + n * LANES), sums[n]);
      for (int n = 0; n < N; ++n) store(out + i + n * LANES, sums[n] * factor);
    };
    int64_t i = 0;
    for (; i + 4 * LANES <= head; i += 4 * LANES) columns.template operator()<4>(i);
    for (; i + LANES <= head; i += LANES) columns.template operator()<1>(i);
    Vector rest{};
    for (int64_t j = 0; i < head && j < count; ++j)
      rest = fma(broadcast(scores[j]), load(values + j * head + i, head - i), rest);
    store(out + i, rest * factor, head - i);
  }

  // act(x) of all units x [B, H]; if gated, act of the first half times the second.
  std::vector<float> activated(const std::vector<float>& x, Activation act, bool gated) const {
    const int64_t units = int64_t(x.size()) / rows, hidden = gated ? units / 2 : units;
    std::vector<float> y(rows * hidden);
    at::parallel_for(0, rows, std::max<int64_t>(1, GRAIN / (8 * hidden)), [&](int64_t first, int64_t last) {
      for (int64_t b = first; b < last; ++b)
        for (int64_t k = 0; k < hidden; k += LANES) {
          const float* at = &x[b * units + k];
          const Vector value = act(load(at, hidden - k));
          store(&y[b * hidden + k], gated ? value * load(at + hidden, hidden - k) : value, hidden - k);
        }
    });
    return y;
  }
};

std::pair<Activation, bool> activation(std::string_view name) {
  if (name == "swiglu") return {silu, true};
  if (name == "geglu") return {gelu, true};
  if (name == "relu") return {relu, false};
  if (name == "gelu") return {gelu, false};
  if (name == "gelu-tanh") return {gelu_tanh, false};
  TORCH_CHECK(name == "quick-gelu", "decoder: unknown activation ", std::string(name));
  return {quick_gelu, false};
}

at::Tensor step(const at::Tensor& h, at::TensorList matrices, const at::Tensor& norms,
                const std::optional<at::Tensor>& shifts, const std::optional<at::Tensor>& biases,
                bool centred, double eps, at::TensorList keys, at::TensorList values,
                const at::Tensor& lengths, const std::optional<at::Tensor>& rotations, int64_t heads,
                int64_t window, c10::string_view name) {
  const auto [act, gated] = activation({name.data(), name.size()});
  const int64_t layers = keys.size(), rows = h.size(0), width = h.size(1), positions = keys[0].size(2);
  const auto floats = [](const std::optional<at::Tensor>& x, int64_t count) -> const float* {
    if (!x) return nullptr;
    TORCH_CHECK(x->is_contiguous() && x->numel() >= count, "decoder: expected contiguous fp32");
    return x->const_data_ptr<float>();
  };
  TORCH_CHECK(h.dim() == 2 && lengths.numel() == rows && lengths.is_contiguous(),
              "decoder: expected h [B, D] and lengths [B]");
  TORCH_CHECK(values.size() == keys.size(), "decoder: expected keys and values of each layer");
  const int64_t* length = lengths.const_data_ptr<int64_t>();
  for (int64_t b = 0; b < rows; ++b)
    TORCH_CHECK(length[b] >= 0 && length[b] < positions, "decoder: a row has no free position in its cache");
  for (int64_t l = 0; l < layers; ++l)
    for (const at::Tensor& x : {keys[l], values[l]})
      TORCH_CHECK(x.dim() == 4 && x.sizes() == keys[0].sizes() && x.size(0) == rows && x.stride(3) == 1 &&
                      x.stride(2) == x.size(3) && x.scalar_type() == keys[0].scalar_type(),
                  "decoder: a cache must be [B, n, T, d], contiguous in its last two axes");
  const int64_t shared = keys[0].size(1), head = keys[0].size(3), norm = (2 * layers + 1) * width;
  TORCH_CHECK(shared && heads % shared == 0, "decoder: heads must be a multiple of those of the keys");
  Decoder d{rows, width, heads, shared, head, window, length};
  d.norms = floats(norms, norm), d.shifts = floats(shifts, norm), d.centred = centred, d.eps = float(eps);
  d.cos = floats(rotations, 2 * positions * head);
  d.sin = d.cos ? d.cos + rotations->size(1) * head : nullptr;
  d.biases = floats(biases, 0), d.last_bias = d.biases ? d.biases + biases->numel() : nullptr;
  d.next = matrices.begin(), d.end = matrices.end();
  const at::Tensor start = h.to(at::kFloat).contiguous();
  std::vector<float> x(start.const_data_ptr<float>(), start.const_data_ptr<float>() + rows * width), update;
  const bool halves = keys[0].scalar_type() == at::kBFloat16;
  for (int64_t l = 0; l < layers; ++l) {
    std::vector<float> joint = d.product(d.normalised(x, update));
    update = d.product(halves ? d.attend<at::BFloat16>(std::move(joint), keys[l], values[l])
                              : d.attend<float>(std::move(joint), keys[l], values[l]));
    update = d.product(d.activated(d.product(d.normalised(x, update)), act, gated));
  }
  const std::vector<float> y = d.product(d.normalised(x, update));
  TORCH_CHECK(d.next == d.end, "decoder: more matrices than the layers have");
  const at::Tensor out = at::empty({rows, int64_t(y.size()) / rows}, start.options());
  std::copy(y.begin(), y.end(), out.data_ptr<float>());
  return out.to(h.scalar_type());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) {
  m.def(
      "decoder_step(Tensor h, Tensor[] matrices, Tensor norms, Tensor? shifts, Tensor? biases, bool centred, "
      "float eps, Tensor(a!)[] keys, Tensor(b!)[] values, Tensor lengths, Tensor? rotations, int heads, "
      "int window, str activation) -> Tensor");
}

TORCH_LIBRARY_IMPL(morphogen, CPU, m) { m.impl("decoder_step", &step); }
