// Keyed random numbers: Philox4x32-10 (Salmon et al. 2011) of the counters (block, draw, row).
//
//     words     w = philox((block, draw, row mod 2^32, row / 2^32), (key0, key1)),  four for each block
//     uniform   u = (w + 1/2) / 2^32,  at most the largest float below 1
//     normal    sqrt(-2 log u_i) (cos, sin)(2 pi u_(h+i)),  i < h = ceil(count / 2)      Box & Muller 1958
//
// rows int64 [B] -> [B, count], row-major: the words of block j are 4j .. 4j+3; the cosines of a row come
// before its sines. Blocks are computed in groups of LANES, across rows if these are short. Words and
// uniforms equal those of numerics/randomness.py; normals are computed in double precision as there, where
// log, cos and sin may differ in the last bit: fewer than one in a million is rounded to the next float.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

constexpr int LANES = 16, ROUNDS = 10;
constexpr int64_t TILE = 8192;  // words that one thread computes at a time, at least one row

struct Key {
  uint32_t draw, key0, key1;
};

struct Block {
  uint32_t a, b, c, d;
};

// The rounds are unrolled by recursion, so that the compiler can vectorize the loop over the lanes.
template <int rounds>
inline Block philox(Block x, uint32_t k0, uint32_t k1) {
  const uint64_t p = uint64_t(x.a) * 0xD2511F53u, q = uint64_t(x.c) * 0xCD9E8D57u;
  const Block y = {uint32_t(q >> 32) ^ x.b ^ k0, uint32_t(q), uint32_t(p >> 32) ^ x.d ^ k1, uint32_t(p)};
  if constexpr (rounds == 1) return y;
  else return philox<rounds - 1>(y, k0 + 0x9E3779B9u, k1 + 0xBB67AE85u);
}

// The words of `count` rows, `blocks` blocks each, at `words`, which has room for a whole group at the end.
void fill_words(const int64_t* rows, int64_t count, int64_t blocks, Key key, uint32_t* words) {
  int64_t row = 0, block = 0;
  for (int64_t first = 0; first < count * blocks; first += LANES) {
    alignas(64) uint32_t a[LANES], b[LANES], c[LANES], d[LANES];
    if (blocks - block >= LANES) {
      const uint64_t index = uint64_t(rows[row]);
      for (int i = 0; i < LANES; ++i) {
        a[i] = uint32_t(block) + uint32_t(i), b[i] = key.draw;
        c[i] = uint32_t(index), d[i] = uint32_t(index >> 32);
      }
      block += LANES;
      if (block == blocks) block = 0, ++row;
    } else {
      for (int i = 0; i < LANES; ++i) {
        const uint64_t index = uint64_t(rows[std::min(row, count - 1)]);
        a[i] = uint32_t(block), b[i] = key.draw;
        c[i] = uint32_t(index), d[i] = uint32_t(index >> 32);
        if (++block == blocks) block = 0, ++row;
      }
    }
    for (int i = 0; i < LANES; ++i) {
      const Block word = philox<ROUNDS>({a[i], b[i], c[i], d[i]}, key.key0, key.key1);
      a[i] = word.a, b[i] = word.b, c[i] = word.c, d[i] = word.d;
    }
    uint32_t* out = words + 4 * first;
    for (int i = 0; i < LANES; ++i) {
      out[4 * i] = a[i], out[4 * i + 1] = b[i], out[4 * i + 2] = c[i], out[4 * i + 3] = d[i];
    }
  }
}

// c0 + x (c1 + x (c2 + ...))
inline double horner(double x, double c0) { return c0; }
template <typename... C>
inline double horner(double x, double c0, C... c) {
  return std::fma(x, horner(x, c...), c0);
}

inline double unit_interval(uint32_t word) { return (double(word) + 0.5) * 0x1p-32; }

// log u of a positive normal double: u = 2^k m, log m = 2 artanh((m - 1) / (m + 1)), 1/sqrt 2 < m <= sqrt 2.
inline double logarithm(double u) {
  constexpr double LN2_HIGH = 0x1.62e42fefa38p-1, LN2_LOW = 0x1.ef35793c7673p-45;  // k LN2_HIGH is exact
  const uint64_t bits = std::bit_cast<uint64_t>(u) + (0x3FF0000000000000u - 0x3FE6A09E667F3BCDu);
  const double k = double(int64_t(bits >> 52) - 1023);
  const double m = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFu) + 0x3FE6A09E667F3BCDu);
  const double s = (m - 1) / (m + 1), z = s * s;
  const double series =
      horner(z, 1. / 3, 1. / 5, 1. / 7, 1. / 9, 1. / 11, 1. / 13, 1. / 15, 1. / 17, 1. / 19, 1. / 21);
  return std::fma(k, LN2_HIGH, std::fma(k, LN2_LOW, 2 * std::fma(s * z, series, s)));
}

constexpr double F(int n) { return n == 0 ? 1 : n * F(n - 1); }  // n!

// cos and sin of 0 <= angle <= 2 pi: Taylor series of the remainder from the nearest multiple of pi / 2.
inline void cosine_sine(double angle, double& cosine, double& sine) {
  constexpr double HALF_PI = 0x1.921fb54442d18p0, HALF_PI_LOW = 0x1.1a62633145c07p-54;
  const double quarter = std::floor(angle * (1 / HALF_PI) + 0.5);
  const double r = std::fma(-quarter, HALF_PI_LOW, std::fma(-quarter, HALF_PI, angle)), z = r * r;
  const double sine_series =
      horner(z, -1 / F(3), 1 / F(5), -1 / F(7), 1 / F(9), -1 / F(11), 1 / F(13), -1 / F(15), 1 / F(17));
  const double s = std::fma(r * z, sine_series, r);
  const double c =
      horner(z, 1, -1 / F(2), 1 / F(4), -1 / F(6), 1 / F(8), -1 / F(10), 1 / F(12), -1 / F(14), 1 / F(16));
  const bool swaps = quarter == 1 || quarter == 3;
  cosine = (swaps ? s : c) * (quarter == 1 || quarter == 2 ? -1 : 1);
  sine = (swaps ? c : s) * (quarter == 2 || quarter == 3 ? -1 : 1);
}

void uniforms(const uint32_t* words, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = std::min(float(unit_interval(words[i])), 0x1.fffffep-1f);
}

void normals(const uint32_t* words, int64_t count, float* out) {
  const int64_t half = (count + 1) / 2;
  constexpr int64_t GROUP = 64;
  for (int64_t first = 0; first < half; first += GROUP) {
    const int64_t size = std::min(GROUP, half - first), sines = std::min(size, count - half - first);
    float cosines[GROUP], others[GROUP];
    for (int64_t i = 0; i < size; ++i) {
      const double radius = std::sqrt(-2 * logarithm(unit_interval(words[first + i])));
      double cosine, sine;
      cosine_sine(0x1.921fb54442d18p2 * unit_interval(words[half + first + i]), cosine, sine);
      cosines[i] = float(radius * cosine), others[i] = float(radius * sine);
    }
    std::copy_n(cosines, size, out + first);
    if (sines > 0) std::copy_n(others, sines, out + half + first);
  }
}

void copies(const uint32_t* words, int64_t count, int64_t* out) { std::copy_n(words, count, out); }

// [B, count] of the words of each row, of which there are `needed`, by `transform`.
template <typename T, typename Transform>
at::Tensor draw_numbers(const at::Tensor& rows, int64_t count, int64_t needed, Key key, at::ScalarType type,
                        Transform transform) {
  TORCH_CHECK(rows.scalar_type() == at::kLong && rows.dim() == 1, "philox: rows must be int64 [B]");
  TORCH_CHECK(count >= 0, "philox: count must not be negative");
  const at::Tensor index = rows.contiguous();
  const at::Tensor out = at::empty({rows.size(0), count}, rows.options().dtype(type));
  if (out.numel() == 0) return out;
  const int64_t blocks = (needed + 3) / 4, tile = std::max<int64_t>(1, TILE / (4 * blocks));
  const int64_t *first_row = index.const_data_ptr<int64_t>(), tiles = (rows.size(0) + tile - 1) / tile;
  T* result = out.mutable_data_ptr<T>();
  at::parallel_for(0, tiles, 1, [&](int64_t begin, int64_t end) {
    std::vector<uint32_t> words(4 * (tile * blocks + LANES));
    for (int64_t row = begin * tile; row < std::min(end * tile, rows.size(0)); row += tile) {
      const int64_t here = std::min(tile, rows.size(0) - row);
      fill_words(first_row + row, here, blocks, key, words.data());
      for (int64_t i = 0; i < here; ++i) transform(&words[4 * i * blocks], count, result + (row + i) * count);
    }
  });
  return out;
}

Key key_of(int64_t draw, int64_t key0, int64_t key1) {
  return {uint32_t(draw), uint32_t(key0), uint32_t(key1)};
}

at::Tensor words(const at::Tensor& rows, int64_t count, int64_t draw, int64_t key0, int64_t key1) {
  return draw_numbers<int64_t>(rows, count, count, key_of(draw, key0, key1), at::kLong, copies);
}

at::Tensor uniform(const at::Tensor& rows, int64_t count, int64_t draw, int64_t key0, int64_t key1) {
  return draw_numbers<float>(rows, count, count, key_of(draw, key0, key1), at::kFloat, uniforms);
}

at::Tensor normal(const at::Tensor& rows, int64_t count, int64_t draw, int64_t key0, int64_t key1) {
  return draw_numbers<float>(rows, count, count + count % 2, key_of(draw, key0, key1), at::kFloat, normals);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) {
  m.def("philox(Tensor rows, int count, int draw, int key0, int key1) -> Tensor");
  m.def("philox_uniform(Tensor rows, int count, int draw, int key0, int key1) -> Tensor");
  m.def("philox_normal(Tensor rows, int count, int draw, int key0, int key1) -> Tensor");
}

TORCH_LIBRARY_IMPL(morphogen, CPU, m) {
  m.impl("philox", &words);
  m.impl("philox_uniform", &uniform);
  m.impl("philox_normal", &normal);
}
