// Adam (Kingma & Ba 2015; AdamW: Loshchilov & Hutter 2019) with clipping and averages, in one pass.
//
//     norm   |g| = sqrt(sum g^2)  over all tensors, summed in double precision
//     adam   g <- scale g                              t <- t + 1
//            m <- m + (1 - b1) (g - m)                 v <- b2 v + (1 - b2) g^2
//            w <- (1 - lr decay) w                  w <- w - lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + e)
//            average <- average + (1 - d) (w - average)
//
// Lists of fp32 tensors of equal shapes in any strides; t is a scalar for each tensor. The elements of all
// tensors are divided into chunks, which threads share, so that results do not depend on their number. Each
// element is read and written once; the roundings are those of torch's fused Adam and `lerp`.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace {

constexpr int64_t CHUNK = 16384, GRAIN = 2;  // elements of a chunk; least chunks of a thread

struct Chunk {
  size_t tensor;
  int64_t first, size;
};

std::vector<Chunk> chunks_of(at::TensorList tensors) {
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < tensors.size(); ++i) {
    for (int64_t first = 0, n = tensors[i].numel(); first < n; first += CHUNK) {
      chunks.push_back({i, first, std::min(CHUNK, n - first)});
    }
  }
  return chunks;
}

// A tensor whose elements lie in memory without gaps, in the order of those of another: itself, or a copy.
at::Tensor aligned(const at::Tensor& tensor, const at::Tensor& other) {
  TORCH_CHECK(tensor.scalar_type() == at::kFloat && tensor.sizes() == other.sizes(),
              "adam: expected fp32 tensors of equal shapes");
  if (tensor.strides() == other.strides() && tensor.is_non_overlapping_and_dense()) return tensor;
  return at::empty_like(other, other.options(), at::MemoryFormat::Preserve).copy_(tensor);
}

at::Tensor norm(at::TensorList gradients) {
  std::vector<at::Tensor> dense;
  for (const at::Tensor& gradient : gradients) dense.push_back(aligned(gradient, gradient));
  const std::vector<Chunk> chunks = chunks_of(dense);
  std::vector<double> sums(chunks.size());
  at::parallel_for(0, int64_t(chunks.size()), GRAIN, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float* g = dense[chunks[c].tensor].const_data_ptr<float>() + chunks[c].first;
      double lanes[16] = {};
      const int64_t whole = chunks[c].size / 16 * 16;
      for (int64_t i = 0; i < whole; i += 16) {
        for (int lane = 0; lane < 16; ++lane) lanes[lane] += double(g[i + lane]) * double(g[i + lane]);
      }
      for (int64_t i = whole; i < chunks[c].size; ++i) lanes[i - whole] += double(g[i]) * double(g[i]);
      for (const double lane : lanes) sums[c] += lane;
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  at::Tensor result = at::empty({}, at::TensorOptions().dtype(at::kFloat));
  *result.mutable_data_ptr<float>() = float(std::sqrt(total));
  return result;
}

// The factors of one tensor's step.
struct Factors {
  float scale, rest1, beta2, rest2, kept, rate, root, eps, average;  // rest: 1 - beta
};

template <bool averages>
void step(const Factors& f, int64_t n, const float* __restrict__ g, float* __restrict__ w,
          float* __restrict__ m, float* __restrict__ v, float* __restrict__ a) {
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * f.scale;
    const float first = m[i] + f.rest1 * (gradient - m[i]);
    const float second = f.beta2 * v[i] + f.rest2 * gradient * gradient;
    const float weight = w[i] * f.kept - f.rate * first / (std::sqrt(second) / f.root + f.eps);
    m[i] = first, v[i] = second, w[i] = weight;
    if constexpr (averages) {
      const float change = weight - a[i];
      a[i] = f.average < 0.5f ? a[i] + f.average * change : weight - change * (1 - f.average);
    }
  }
}

// A list of tensors to change in place, by way of copies where their layout is another.
class Changed {
 public:
  Changed(at::TensorList tensors, at::TensorList like) : tensors_(tensors) {
    for (size_t i = 0; i < tensors.size(); ++i) aligned_.push_back(aligned(tensors[i], like[i]));
  }
  float* at(const Chunk& chunk) const {
    return aligned_[chunk.tensor].mutable_data_ptr<float>() + chunk.first;
  }
  void finish() const {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (!aligned_[i].is_same(tensors_[i])) tensors_[i].copy_(aligned_[i]);
      else tensors_[i].unsafeGetTensorImpl()->bump_version();  // autograd refuses what was saved before
    }
  }

 private:
  at::TensorList tensors_;
  std::vector<at::Tensor> aligned_;
};

void adam(at::TensorList weights, at::TensorList gradients, at::TensorList firsts, at::TensorList seconds,
          at::TensorList steps, at::TensorList averages, double scale, double lr, double beta1, double beta2,
          double eps, double weight_decay, double average_decay) {
  const size_t count = weights.size();
  TORCH_CHECK(gradients.size() == count && firsts.size() == count && seconds.size() == count &&
                  steps.size() == count && (averages.empty() || averages.size() == count),
              "adam: expected lists of one length");
  std::vector<at::Tensor> dense;  // the weights, which fix the layout
  for (const at::Tensor& weight : weights) dense.push_back(aligned(weight, weight));
  const Changed w(weights, dense), m(firsts, dense), v(seconds, dense), a(averages, dense);
  std::vector<at::Tensor> g;
  std::vector<Factors> factors;
  for (size_t i = 0; i < count; ++i) {
    g.push_back(aligned(gradients[i], dense[i]));
    TORCH_CHECK(steps[i].scalar_type() == at::kFloat && steps[i].numel() == 1, "adam: a step is fp32");
    float& t = *steps[i].mutable_data_ptr<float>();
    t += 1;
    const double rate = lr / (1 - std::pow(beta1, t)), root = std::sqrt(1 - std::pow(beta2, t));
    factors.push_back({float(scale), float(1 - beta1), float(beta2), float(1 - beta2),
                       float(1 - lr * weight_decay), float(rate), float(root), float(eps),
                       float(1 - average_decay)});
  }
  const std::vector<Chunk> chunks = chunks_of(dense);
  at::parallel_for(0, int64_t(chunks.size()), GRAIN, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const Chunk& chunk = chunks[c];
      const Factors& f = factors[chunk.tensor];
      const float* gradient = g[chunk.tensor].const_data_ptr<float>() + chunk.first;
      const auto update = averages.empty() ? step<false> : step<true>;
      float* average = averages.empty() ? nullptr : a.at(chunk);
      update(f, chunk.size, gradient, w.at(chunk), m.at(chunk), v.at(chunk), average);
    }
  });
  for (const Changed* list : {&w, &m, &v, &a}) list->finish();
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) {
  m.def("gradient_norm(Tensor[] gradients) -> Tensor");
  m.def(
      "adam_(Tensor(a!)[] weights, Tensor[] gradients, Tensor(b!)[] firsts, Tensor(c!)[] seconds, "
      "Tensor(d!)[] steps, Tensor(e!)[] averages, float scale, float lr, float beta1, float beta2, "
      "float eps, float weight_decay, float average_decay) -> ()");
}

TORCH_LIBRARY_IMPL(morphogen, CPU, m) {
  m.impl("gradient_norm", &norm);
  m.impl("adam_", &adam);
}
