r"""Vector quantization: real vectors as indices of codes, which follow the vectors by moving averages.

    ids = argmin_k || z - e_k ||^2                                       Codebook
    ids_q = argmin_k || r_q - e_qk ||^2,   r_(q+1) = r_q - e_(q, ids_q)   ResidualQuantizer, r_1 = z

The codes have no gradient. A code is the average of the vectors that chose it, over the steps with weights
decay^age: online k-means (van den Oord et al. 2017, appendix A.1; Razavi et al. 2019). With decay = 0 on all
rows, a step is an iteration of k-means.

An encoder that moves away from a code leaves it unused for ever, and few codes remain: codebook collapse. A
code whose average usage falls below a fraction of an equal share is therefore moved to a vector of the batch
(Dhariwal et al. 2020, "Jukebox", section 3.1). Row i of the global batch offers one of its vectors in slot i,
so that the choice depends on neither micro-batches nor ranks.
"""

__all__ = ["Codebook", "Quantizer", "ResidualQuantizer"]

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.numerics.clustering import kmeans, spread_centres
from morphogen.numerics.randomness import Rng

TINY = 1e-12  # average usage below which a code remains where it is


class Quantizer(Component, nn.Module, ABC):
    """A map of vectors z [B, D, *sides] to ids of codes, and back.

    Attributes:
        codes: number K of values of an id.
        width: D.
    """

    codes: int
    width: int

    @abstractmethod
    def latent_shape(self, sides: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the ids of one z [D, *sides]."""

    @abstractmethod
    def encode(self, z: Float[Tensor, "b d ..."]) -> Int[Tensor, "b ..."]:
        """The ids of the nearest codes."""

    @abstractmethod
    def decode(self, ids: Int[Tensor, "b ..."]) -> Float[Tensor, "b d ..."]:
        """The quantized z."""

    @abstractmethod
    def usage(self) -> dict[str, Float[Tensor, ""]]:
        """Figures of how evenly the codes are used, on average over the last steps."""

    @abstractmethod
    def statistics(
        self, z: Float[Tensor, "b d ..."], ids: Int[Tensor, "b ..."], rng: Rng
    ) -> dict[str, Tensor]:
        """Sums over the batch that `update` takes, of z and its ids."""

    @abstractmethod
    def update(self, statistics: dict[str, Tensor]) -> None:
        """Move the codes."""

    @abstractmethod
    def prepare(self, z: Float[Tensor, "b d ..."], rng: Rng) -> None:
        """Initialize the codes on the first batch. Errors: ConfigError for fewer vectors than codes."""


class Codebook(Quantizer):
    r"""K codes e_k, each the moving average of the vectors that it is nearest to.

        n_k <- decay n_k + (1 - decay) sum_i [ids_i = k],   e_k = m_k / n_k
        m_k <- decay m_k + (1 - decay) sum_i [ids_i = k] z_i

    "Neural discrete representation learning", van den Oord, Vinyals & Kavukcuoglu, 2017 (appendix A.1). The
    codes start as the centres of the first batch by k-means++ and k-means.

    Arguments:
        codes: K, at least 2.
        width: D.
        decay: of the averages, in [0, 1) (0.99 in the paper).
        restart: a code is moved to a vector of the batch once n_k < restart * mean n; in [0, 1), 0: never.
    """

    def __init__(self, codes: int, width: int, decay: float = 0.99, restart: float = 0.1):
        super().__init__()
        if codes < 2 or width < 1 or not 0 <= decay < 1 or not 0 <= restart < 1:
            values = f"codes={codes}, width={width}, decay={decay:g}, restart={restart:g}"
            raise ConfigError(
                f"Codebook needs codes >= 2, width >= 1, 0 <= decay < 1 and 0 <= restart < 1; got {values}"
            )
        self.codes, self.width, self.decay, self.restart = codes, width, decay, restart
        self.register_buffer("vectors", torch.zeros(codes, width))
        self.register_buffer("counts", torch.ones(codes))
        self.register_buffer("sums", torch.zeros(codes, width))

    vectors: Float[Tensor, "k d"]  # e
    counts: Float[Tensor, " k"]  # n
    sums: Float[Tensor, "k d"]  # m

    def latent_shape(self, sides: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sides)

    @torch.no_grad()
    def encode(self, z: Float[Tensor, "b d ..."]) -> Int[Tensor, "b ..."]:
        # bf16 has too few digits to tell close codes apart
        with torch.autocast(z.device.type, enabled=False):
            closeness = self._rows(z) @ self.vectors.T - 0.5 * self.vectors.square().sum(1)
        return closeness.argmax(1).view(len(z), *z.shape[2:])

    def decode(self, ids: Int[Tensor, "b ..."]) -> Float[Tensor, "b d ..."]:
        return self.vectors[ids].movedim(-1, 1)

    def usage(self) -> dict[str, Float[Tensor, ""]]:
        """The perplexity of the codes, from 1 to K, and the number of codes that are hardly used."""
        p = self.counts / self.counts.sum().clamp_min(TINY)
        hardly_used = (self.counts < 0.1 * self.counts.mean()).sum().to(p.dtype)
        return {"perplexity": torch.special.entr(p).sum().exp(), "dead codes": hardly_used}

    @torch.no_grad()
    def statistics(
        self, z: Float[Tensor, "b d ..."], ids: Int[Tensor, "b ..."], rng: Rng
    ) -> dict[str, Tensor]:
        with torch.autocast(z.device.type, enabled=False):
            vectors, chosen = self._rows(z), self.vectors.new_zeros(ids.numel(), self.codes)
            chosen.scatter_(1, ids.flatten()[:, None], 1.0)
            statistics = {"counts": chosen.sum(0), "sums": chosen.T @ vectors}
            return statistics | self._candidates(vectors.unflatten(0, (len(z), -1)), rng)

    @torch.no_grad()
    def update(self, statistics: dict[str, Tensor]) -> None:
        self.counts.lerp_(statistics["counts"], 1 - self.decay)
        self.sums.lerp_(statistics["sums"], 1 - self.decay)
        share = self.counts.mean()
        dead = self.counts < self.restart * share
        slot = (dead.cumsum(0) - 1).clamp_min(0)  # the first dead code takes the first candidate
        moved = dead & (statistics["offered"][slot] > 0)
        self.counts.copy_(torch.where(moved, share, self.counts))
        candidates = share * statistics["candidates"][slot]
        self.sums.copy_(torch.where(moved[:, None], candidates, self.sums))
        n = self.counts[:, None]
        self.vectors.copy_(torch.where(n > TINY, self.sums / n.clamp_min(TINY), self.vectors))

    @torch.no_grad()
    def prepare(self, z: Float[Tensor, "b d ..."], rng: Rng) -> None:
        vectors, positions = self._rows(z), z[0, 0].numel()
        if self.codes > len(vectors):
            raise ConfigError(
                f"Codebook(codes={self.codes}): the first batch has {len(vectors)} vectors only "
                f"({len(z)} rows of {positions}): give at most as many codes, or more rows (plan.batch)"
            )
        centres = spread_centres(
            vectors, self.codes, lambda i: rng.fork("centre", i).uniform(positions).flatten()
        )
        self.vectors.copy_(kmeans(vectors, centres))
        ids = self.encode(z)
        self.counts.copy_(torch.bincount(ids.flatten(), minlength=self.codes))
        self.sums.copy_(self.counts[:, None] * self.vectors)

    def _rows(self, z: Float[Tensor, "b d ..."]) -> Float[Tensor, "n d"]:
        """The vectors of all rows and positions, in the precision of the codes."""
        return z.movedim(1, -1).flatten(0, -2).to(self.vectors.dtype)

    def _candidates(self, vectors: Float[Tensor, "b n d"], rng: Rng) -> dict[str, Tensor]:
        """One vector of row i in slot i, for the first K rows of the global batch; zeros elsewhere."""
        position = rng.fork("candidate").integers(vectors.shape[1])
        offered, candidates = torch.zeros_like(self.counts), torch.zeros_like(self.vectors)
        rows = (rng.rows < self.codes).nonzero().flatten()
        offered[rng.rows[rows]] = 1.0
        candidates[rng.rows[rows]] = vectors[rows, position[rows]]
        return {"offered": offered, "candidates": candidates}


class ResidualQuantizer(Quantizer):
    r"""Several codebooks, each of what the earlier ones leave: z ~ sum_q e_(q, ids_q), ids [B, Q, *sides].

    "SoundStream: an end-to-end neural audio codec", Zeghidour, Luebs, Omran, Skoglund & Tagliasacchi, 2021
    (section III.C). Q codebooks of K codes tell K^Q vectors apart at the cost of Q K comparisons.

    Arguments:
        codebooks: of equal numbers of codes and widths, coarsest first.
    """

    def __init__(self, codebooks: tuple[Codebook, ...]):
        super().__init__()
        kinds = {(book.codes, book.width) for book in codebooks}
        if len(kinds) != 1:
            raise ConfigError(
                f"ResidualQuantizer: codebooks of (codes, width) {sorted(kinds)}: "
                "give one or more of one kind"
            )
        self.codebooks = tuple(codebooks)
        self.codes, self.width = self.codebooks[0].codes, self.codebooks[0].width
        self.books = nn.ModuleList(codebooks)

    def latent_shape(self, sides: tuple[int, ...]) -> tuple[int, ...]:
        return (len(self.codebooks), *sides)

    def encode(self, z: Float[Tensor, "b d ..."]) -> Int[Tensor, "b ..."]:
        ids, residual = [], z
        for book in self.codebooks:
            ids.append(book.encode(residual))
            residual = residual - book.decode(ids[-1])
        return torch.stack(ids, 1)

    def decode(self, ids: Int[Tensor, "b ..."]) -> Float[Tensor, "b d ..."]:
        parts = [book.decode(part) for book, part in zip(self.codebooks, ids.unbind(1), strict=True)]
        return torch.stack(parts).sum(0)

    def usage(self) -> dict[str, Float[Tensor, ""]]:
        return {
            f"{name} {q}": value
            for q, book in enumerate(self.codebooks)
            for name, value in book.usage().items()
        }

    def statistics(
        self, z: Float[Tensor, "b d ..."], ids: Int[Tensor, "b ..."], rng: Rng
    ) -> dict[str, Tensor]:
        statistics: dict[str, Tensor] = {}
        residual = z
        for q, (book, part) in enumerate(zip(self.codebooks, ids.unbind(1), strict=True)):
            of_book = book.statistics(residual, part, rng.fork("codebook", q))
            statistics |= {f"{name} {q}": value for name, value in of_book.items()}
            residual = residual - book.decode(part)
        return statistics

    def update(self, statistics: dict[str, Tensor]) -> None:
        for q, book in enumerate(self.codebooks):
            own = {name: value for name, value in statistics.items() if name.endswith(f" {q}")}
            book.update({name.removesuffix(f" {q}"): value for name, value in own.items()})

    @torch.no_grad()
    def prepare(self, z: Float[Tensor, "b d ..."], rng: Rng) -> None:
        residual = z
        for q, book in enumerate(self.codebooks):
            book.prepare(residual, rng.fork("codebook", q))
            residual = residual - book.decode(book.encode(residual))
