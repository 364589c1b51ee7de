// Sampling of a Gated PixelCNN (van den Oord et al. 2016b), symbol after symbol of each picture.
//
//     v^(l+1) = gate(a^l + c^l_v),   a^l = W_v * v^l + b_v                  a whole row, when it begins
//     h^(l+1) = h^l + W_o gate(W_h * h^l + W_m a^l + c^l_h)                 one symbol; without h^l if l = 0
//     logits  = W_2 relu(W_1 relu(h^L))
//
// above[l] [B, reach + 1, reach + W + reach, C] holds v^l of the last rows, row y in slot y % (reach + 1);
// for l = 0 that is the embedded picture, which is h^0 too. A call takes whole rows of pixels and continues
// where the one before it ended. A vertical convolution is a product for each row of its kernel, a horizontal
// one for each colour; its weights at later symbols are zero, so that finite values from the row above do no
// harm there. Pictures are divided among the threads.

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <atomic>
#include <optional>

#include "dense.h"
#include "draw.h"

namespace {

struct Layer {
  int64_t reach, channels;  // of its input
  float* above;             // v^l
  std::vector<Matrix> vertical;         // for each row of the kernel, [taps C] -> [2 D]
  std::vector<Matrix> mix;              // one, [2 D] -> [K, 2, D / K]
  std::vector<Matrix> horizontal, out;  // for each colour, [taps C] -> [2, D / K] and [D] -> [D / K]
};

struct PixelCNN {
  int64_t colours, width, features, embedded;  // K, W, D, E
  const float* embedding;
  const float *bias, *position;  // [B or 1, L, (b_v, c_v, c_h), 2 D], [B or 1, H, W, K E]
  int64_t bias_row, position_row;
  std::vector<Layer> layers;
  std::vector<Linear> hidden, head;  // for each colour

  int64_t depth() const { return int64_t(layers.size()); }
  int64_t group() const { return features / colours; }
};

// The pictures begin .. end of the batch, which one thread samples.
struct Pictures {
  const PixelCNN& n;
  const Draws& draws;
  int64_t begin, rows;
  int64_t d = n.features, g = n.group(), pad = padded(g), both = padded(2 * d);
  int64_t reach = n.layers.back().reach, line_of_h = (reach + n.width) * d;
  Floats a = Floats(n.width * both), sum = Floats(2 * d + LANES);
  Floats added = Floats(n.depth() * rows * n.width * n.colours * 2 * pad);  // W_m a + c_h of each layer
  Floats h = Floats(n.depth() * rows * line_of_h);                          // h^1 .. h^L of this row
  Floats gates = Floats(rows * n.depth() * d), pair = Floats(rows * 2 * pad), out = Floats(rows * pad);
  Floats relu = Floats(rows * d), hidden = Floats(rows * pad), inner = Floats(rows * d);
  Floats logits = Floats(rows * n.head[0].matrix.width);

  int64_t line(const Layer& layer) const { return (layer.reach + n.width + layer.reach) * layer.channels; }
  int64_t picture(const Layer& layer) const { return (layer.reach + 1) * line(layer); }
  float* row(const Layer& layer, int64_t r, int64_t y) const {  // the padded row y of v^l
    const int64_t slots = layer.reach + 1;
    return layer.above + (begin + r) * picture(layer) + (y + slots) % slots * line(layer);
  }
  const float* bias(int64_t r, int64_t l, int64_t which) const {
    return n.bias + (begin + r) * n.bias_row + (l * 3 + which) * 2 * d;
  }
  float* added_to(int64_t l, int64_t r, int64_t symbol) {
    return &added[((l * rows + r) * n.width * n.colours + symbol) * 2 * pad];
  }
  float* h_at(int64_t l, int64_t r, int64_t x) {  // h^l at a pixel, l > 0
    return &h[((l - 1) * rows + r) * line_of_h + (reach + x) * d];
  }

  void begin_row(int64_t l, int64_t r, int64_t y) {
    const Layer& layer = n.layers[l];
    const int64_t first = y + (l > 0) - int64_t(layer.vertical.size());
    for (int64_t x = 0; x < n.width; ++x) std::copy_n(bias(r, l, 0), 2 * d, &a[x * both]);
    for (size_t i = 0; i < layer.vertical.size(); ++i)
      accumulate(row(layer, r, first + i), layer.channels, n.width, layer.vertical[i], a.data(), both);
    for (int64_t x = 0; l + 1 < n.depth() && x < n.width; ++x) {
      const Layer& next = n.layers[l + 1];
      for (int64_t j = 0; j < 2 * d; ++j) sum[j] = a[x * both + j] + bias(r, l, 1)[j];
      gate(&sum[0], &sum[d], d, row(next, r, y) + (next.reach + x) * d);
    }
    for (int64_t i = 0; i < n.width * n.colours * 2; ++i)
      std::copy_n(bias(r, l, 2) + i % (n.colours * 2) * g, g, added_to(l, r, 0) + i * pad);
    accumulate(a.data(), both, n.width, layer.mix[0], added_to(l, r, 0), n.colours * 2 * pad);
  }

  void step(int64_t l, int64_t x, int64_t y, int64_t colour) {
    const Layer& layer = n.layers[l];
    for (int64_t r = 0; r < rows; ++r)
      std::copy_n(added_to(l, r, x * n.colours + colour), 2 * pad, &pair[r * 2 * pad]);
    const float* window = l ? h_at(l, 0, x - reach) : row(layer, 0, y) + x * layer.channels;
    accumulate(window, l ? line_of_h : picture(layer), rows, layer.horizontal[colour], pair.data(), 2 * pad);
    for (int64_t r = 0; r < rows; ++r) {
      gate(&pair[r * 2 * pad], &pair[r * 2 * pad + pad], g, &gates[(r * n.depth() + l) * d + colour * g]);
      if (l)
        std::copy_n(h_at(l, r, x) + colour * g, g, &out[r * pad]);
      else
        std::fill_n(&out[r * pad], g, 0.0f);
    }
    accumulate(&gates[l * d], n.depth() * d, rows, layer.out[colour], out.data(), pad);
    for (int64_t r = 0; r < rows; ++r) std::copy_n(&out[r * pad], g, h_at(l + 1, r, x) + colour * g);
  }

  void predict(int64_t x, int64_t colour) {
    for (int64_t r = 0; r < rows; ++r) std::copy_n(h_at(n.depth(), r, x), d, &relu[r * d]);
    rectify(relu);
    n.hidden[colour].apply(relu.data(), d, rows, hidden.data());
    rectify(hidden);
    for (int64_t r = 0; r < rows; ++r) std::copy_n(&hidden[r * pad], g, &inner[r * d + colour * g]);
    n.head[colour].apply(inner.data(), d, rows, logits.data());
  }

  void embed(int64_t r, int64_t x, int64_t y, int64_t colour, int64_t token) {
    const int64_t e = n.embedded, place = (n.layers[0].reach + x) * n.colours * e + colour * e;
    float* to = row(n.layers[0], r, y) + place;
    std::copy_n(n.embedding + token * e, e, to);
    if (n.position == nullptr) return;
    const float* at = n.position + (begin + r) * n.position_row;
    for (int64_t j = 0; j < e; ++j) to[j] += at[((y * n.width + x) * n.colours + colour) * e + j];
  }

  bool sample_row(int64_t y) {  // whether all is finite
    for (int64_t l = 0; l < n.depth(); ++l)
      for (int64_t r = 0; r < rows; ++r) begin_row(l, r, y);
    for (int64_t symbol = 0; symbol < n.width * n.colours; ++symbol) {
      const int64_t x = symbol / n.colours, colour = symbol % n.colours, i = y * n.width * n.colours + symbol;
      for (int64_t l = 0; l < n.depth(); ++l) step(l, x, y, colour);
      predict(x, colour);
      for (int64_t r = 0; r < rows; ++r) {
        if (!draws.decide(begin + r, i, &logits[r * n.head[0].matrix.width])) return false;
        embed(r, x, y, colour, draws.token(begin + r, i));
      }
    }
    return true;
  }
};

Layer layer(const at::Tensor& above, at::TensorList vertical, const at::Tensor& mix,
            at::TensorList horizontal, at::TensorList out, int64_t d, int64_t rows, int64_t width) {
  TORCH_CHECK(above.dim() == 4 && above.size(1) > 0, "pixelcnn: above[l] is [B, R + 1, W + 2 R, C]");
  const int64_t reach = above.size(1) - 1, channels = above.size(3), colours = int64_t(out.size());
  floats(above, {rows, reach + 1, reach + width + reach, channels}, "above");
  Layer l{reach, channels, above.data_ptr<float>()};
  for (const at::Tensor& weight : vertical)
    l.vertical.emplace_back(weight, 2 * d, (2 * reach + 1) * channels);
  l.mix.emplace_back(mix, 2 * d, 2 * d, 2 * colours);
  for (const at::Tensor& weight : horizontal)
    l.horizontal.emplace_back(weight, 2 * d / colours, (reach + 1) * channels, 2);
  for (const at::Tensor& weight : out) l.out.emplace_back(weight, d / colours, d);
  return l;
}

// Draw the symbols of the lines first .. last; returns whether all logits were finite and all tokens known.
at::Tensor draw_lines(const at::Tensor& tokens, const at::Tensor& uniforms, at::TensorList above,
                      const at::Tensor& embedding, const std::optional<at::Tensor>& position,
                      const at::Tensor& bias, at::TensorList vertical, at::TensorList mix,
                      at::TensorList horizontal, at::TensorList out, at::TensorList head_weights,
                      at::TensorList head_biases, int64_t width, int64_t first, int64_t last,
                      double temperature) {
  const int64_t depth = int64_t(above.size()), colours = int64_t(head_weights.size()) / 2;
  TORCH_CHECK(depth > 0 && colours > 0 && embedding.dim() == 2 && bias.dim() == 4 &&
                  int64_t(mix.size()) == depth && int64_t(horizontal.size()) == depth * colours &&
                  int64_t(out.size()) == depth * colours && int64_t(head_biases.size()) == 2 * colours,
              "pixelcnn: wrong number of layers");
  const int64_t line = width * colours, d = bias.size(3) / 2, vocabulary = embedding.size(0);
  const Draws draws(tokens, uniforms, vocabulary, temperature);
  draws.check(first * line, last * line);
  const int64_t rows = draws.rows, size = embedding.size(1);
  const auto each = [&](const at::Tensor& x) {  // the stride of what may be the same for all rows
    TORCH_CHECK(x.size(0) == rows || x.size(0) == 1, "pixelcnn: a bias for each row, or for all");
    return x.size(0) == 1 ? 0 : x.stride(0);
  };
  PixelCNN n{colours, width, d, size, floats(embedding, {vocabulary, size}, "embedding"),
             floats(bias, {bias.size(0), depth, 3, 2 * d}, "bias"), nullptr, each(bias), 0};
  if (position) {
    const int64_t height = draws.length / line;
    n.position = floats(*position, {position->size(0), height, width, colours * size}, "position");
    n.position_row = each(*position);
  }
  for (int64_t l = 0, next = 0; l < depth; ++l) {
    const int64_t reach = above[l].size(1) - 1, kernels = reach + (l > 0);
    TORCH_CHECK(next + kernels <= int64_t(vertical.size()), "pixelcnn: too few vertical kernels");
    n.layers.push_back(layer(above[l], vertical.slice(next, kernels), mix[l],
                             horizontal.slice(l * colours, colours), out.slice(l * colours, colours), d, rows,
                             width));
    TORCH_CHECK(l < 2 || n.layers[l].reach == n.layers[1].reach, "pixelcnn: layers of different reach");
    next += kernels;
  }
  for (int64_t c = 0; c < colours; ++c) {
    n.hidden.emplace_back(head_weights[c], head_biases[c], d / colours, d);
    n.head.emplace_back(head_weights[colours + c], head_biases[colours + c], vocabulary, d);
  }
  std::atomic<bool> finite = true;
  at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
    Pictures pictures{n, draws, begin, end - begin};
    for (int64_t y = first; finite && y < last; ++y)
      if (!pictures.sample_row(y)) finite = false;
  });
  return at::empty({}, tokens.options().dtype(at::kBool)).fill_(finite.load());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) {
  m.def(
      "gated_pixelcnn_draw(Tensor(a!) tokens, Tensor uniforms, Tensor(b!)[] above, Tensor embedding, "
      "Tensor? position, Tensor bias, Tensor[] vertical, Tensor[] mix, Tensor[] horizontal, Tensor[] out, "
      "Tensor[] head_weights, Tensor[] head_biases, int width, int first, int last, float temperature) "
      "-> Tensor");
}

TORCH_LIBRARY_IMPL(morphogen, CPU, m) { m.impl("gated_pixelcnn_draw", &draw_lines); }
