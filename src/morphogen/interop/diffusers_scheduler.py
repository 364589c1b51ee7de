r"""Noise schedule, prediction target and sampler to and from diffusers' scheduler_config.json.

    DDIMScheduler                  DDIM
    PNDMScheduler                  PNDM, with skip_prk_steps
    DPMSolverMultistepScheduler    DPMSolver

Their steps count from 0, ours from 1: the network gets t - 1 (`ZeroBased`). Their spacings "leading",
"trailing" and "linspace" (Lin et al. 2024, table 2) are `LeadingTimesteps`, that of the chain itself, and
`UniformTimesteps`; set_alpha_to_one: false is a trajectory that ends at x_1.

Reference: Diffusers, von Platen et al., 2022.
"""

__all__ = ["SCHEDULER", "Scheduler", "read_scheduler", "write_scheduler"]

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphogen.component import ConfigError
from morphogen.families.diffusion import (
    DDIM,
    PNDM,
    CosineAlphas,
    Diffusion,
    DiffusionSampler,
    DPMSolver,
    LeadingTimesteps,
    LinearBetas,
    NoiseSchedule,
    ScaledLinearBetas,
    TimestepSpacing,
    UniformTimesteps,
    WithoutLast,
    ZeroBased,
    ZeroTerminal,
)
from morphogen.files import write_json
from morphogen.interop.hugging_face import Config

SCHEDULER = "scheduler_config.json"
CALLS = 50  # of the network, the pipelines' default
CHAINS = {"linear": LinearBetas, "scaled_linear": ScaledLinearBetas, "squaredcos_cap_v2": CosineAlphas}
TARGETS = {"epsilon": "eps", "v_prediction": "v", "sample": "x0"}
SWITCH = {True: True, False: False}
DDIM_SCHEDULER, PNDM_SCHEDULER = "DDIMScheduler", "PNDMScheduler"
DPM_SCHEDULER = "DPMSolverMultistepScheduler"
# of each class: settings that have one value here, with the default of diffusers, if that is another one
FIXED: dict[str, dict[str, tuple[Any, Any]]] = {
    DDIM_SCHEDULER: {"clip_sample": (False, True), "thresholding": (False, False)},
    PNDM_SCHEDULER: {"skip_prk_steps": (True, False), "prediction_type": ("epsilon", "epsilon")},
    DPM_SCHEDULER: {
        "thresholding": (False, False), "algorithm_type": ("dpmsolver++", "dpmsolver++"),
        "solver_type": ("midpoint", "midpoint"), "use_karras_sigmas": (False, False),
        "use_exponential_sigmas": (False, False), "use_beta_sigmas": (False, False),
        "use_lu_lambdas": (False, False), "use_flow_sigmas": (False, False),
        "final_sigmas_type": ("zero", "zero"), "variance_type": (None, None),
        "rescale_betas_zero_snr": (False, False), "use_dynamic_shifting": (False, False),
    },
}  # fmt: skip
DEFAULTS = {  # timestep_spacing and set_alpha_to_one
    DDIM_SCHEDULER: ("leading", True),
    PNDM_SCHEDULER: ("leading", False),
    DPM_SCHEDULER: ("linspace", True),
}
READ = {
    *("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "steps_offset"),
    *("prediction_type", "timestep_spacing", "set_alpha_to_one", "rescale_betas_zero_snr", "solver_order"),
}
WITHOUT_EFFECT = {  # with the settings that are supported
    *("dynamic_thresholding_ratio", "clip_sample_range", "sample_max_value", "lower_order_final"),
    *("euler_at_final", "lambda_min_clipped", "flow_shift", "time_shift_type", "sigma_min", "sigma_max"),
}


@dataclass(frozen=True)
class Scheduler:
    """The arguments of `Diffusion` in scheduler_config.json.

    Arguments:
        schedule: the chain.
        target: what the network predicts.
        sampler: the default sampler.
    """

    schedule: NoiseSchedule
    target: Any
    sampler: DiffusionSampler


def read_scheduler(folder: str | Path) -> Scheduler:
    """The scheduler of a folder with scheduler_config.json.

    Raises:
        ConfigError: for a class or a setting without an equivalent here; it begins with the file's path.
    """
    config = Config(Path(folder), SCHEDULER)
    kind = config.choice("_class_name", {name: name for name in FIXED}, None)
    config.refuse_others(READ | WITHOUT_EFFECT | {name for fixed in FIXED.values() for name in fixed})
    for name, (value, default) in FIXED[kind].items():
        config.choice(name, {value: None}, default)
    config.choice("trained_betas", {None: None}, None)
    if kind == DPM_SCHEDULER and config.integer("solver_order", 2) != 2:
        raise ConfigError(f"{config.path}: unsupported solver_order {config.values['solver_order']}; use 2")
    target = config.choice("prediction_type", TARGETS, "epsilon")
    return Scheduler(ZeroBased(_chain(config)), target, _sampler(config, kind))


def write_scheduler(objective: Diffusion, folder: str | Path) -> None:
    """Write scheduler_config.json. Errors: ConfigError for a part that diffusers does not have."""
    chain: Any = objective.schedule
    if not isinstance(chain, ZeroBased):
        raise ConfigError(
            f"diffusers counts the steps of a chain from 0, {type(chain).__name__} from 1: train with "
            f"ZeroBased({type(chain).__name__}(...)), or save the model with morphogen.save"
        )
    chain, rescaled = chain.schedule, isinstance(chain.schedule, ZeroTerminal)
    chain = chain.schedule if rescaled else chain
    chains: dict[Any, str] = {value: name for name, value in CHAINS.items()}
    targets: dict[Any, str] = {value: name for name, value in TARGETS.items()}
    sampler: Any = objective.sampler if objective.sampler is not None else DDIM(CALLS)
    kinds: dict[Any, str] = {DDIM: DDIM_SCHEDULER, PNDM: PNDM_SCHEDULER, DPMSolver: DPM_SCHEDULER}
    for what, known in ((chain, chains), (sampler, kinds)):
        if type(what) not in known:
            names = ", ".join(part.__name__ for part in known)
            raise ConfigError(f"diffusers has no {type(what).__name__} here: use {names}, or morphogen.save")
    if objective.target not in targets:
        raise ConfigError(f"diffusers has no target {objective.target!r}: use {', '.join(targets)}")
    kind = kinds[type(sampler)]
    config = {"_class_name": kind, "beta_schedule": chains[type(chain)], "num_train_timesteps": chain.steps}
    config |= {name: value for name, value in chain.arguments.items() if name != "steps"}
    config |= {name: value for name, (value, _) in FIXED[kind].items()}
    config |= {"prediction_type": targets[objective.target]} | _written_spacing(kind, sampler.spacing)
    config |= {"rescale_betas_zero_snr": True} if rescaled else {}
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_json(Path(folder) / SCHEDULER, config)


def _chain(config: Config) -> NoiseSchedule:
    """The chain, which counts its steps from 1."""
    chain, steps = (
        config.choice("beta_schedule", CHAINS, "linear"),
        config.integer("num_train_timesteps", 1000),
    )
    if chain is CosineAlphas:
        schedule: NoiseSchedule = CosineAlphas(steps)
    else:
        betas = [
            config.positive_number(name, value) for name, value in (("beta_start", 1e-4), ("beta_end", 0.02))
        ]
        if max(betas) >= 1:
            raise ConfigError(f"{config.path}: beta_start and beta_end must be below 1, got {betas}")
        schedule = chain(*betas, steps)
    return ZeroTerminal(schedule) if config.choice("rescale_betas_zero_snr", SWITCH, False) else schedule


def _sampler(config: Config, kind: str) -> DiffusionSampler:
    """The sampler, with the pipelines' default number of steps."""
    spacing, to_one = DEFAULTS[kind]
    spacing = config.choice(
        "timestep_spacing", {name: name for name in ("leading", "trailing", "linspace")}, spacing
    )
    end = 0 if kind == DPM_SCHEDULER or config.choice("set_alpha_to_one", SWITCH, to_one) else 1
    offset = config.integer("steps_offset", 0, least=0)
    if spacing != "leading" and (end or (spacing == "linspace" and kind != DPM_SCHEDULER)):
        raise ConfigError(
            f"{config.path}: unsupported timestep_spacing {spacing!r} of {kind}; supported: leading, "
            "or trailing with set_alpha_to_one: true"
        )
    if offset < end:
        raise ConfigError(f"{config.path}: steps_offset must be at least 1 if set_alpha_to_one is false")
    chosen: dict[str, TimestepSpacing | None] = {
        "leading": LeadingTimesteps(offset, end), "trailing": None, "linspace": UniformTimesteps(),
    }  # fmt: skip
    if kind == DPM_SCHEDULER:
        inner = chosen[spacing]
        return DPMSolver(CALLS, spacing=None if inner is None else WithoutLast(inner))
    return (
        DDIM(CALLS, spacing=chosen[spacing])
        if kind == DDIM_SCHEDULER
        else PNDM(CALLS + 1, spacing=chosen[spacing])
    )


def _written_spacing(kind: str, spacing: TimestepSpacing | None) -> dict[str, Any]:
    """The settings of a spacing. Errors: ConfigError for one without equivalent."""
    if spacing is None:
        return {"timestep_spacing": "trailing", "steps_offset": 0, "set_alpha_to_one": True}
    inner: Any = spacing
    if kind == DPM_SCHEDULER:
        inner = spacing.spacing if isinstance(spacing, WithoutLast) else None
    if isinstance(inner, LeadingTimesteps):
        to_one = not inner.end
        return {"timestep_spacing": "leading", "steps_offset": inner.offset, "set_alpha_to_one": to_one}
    if isinstance(inner, UniformTimesteps) and kind == DPM_SCHEDULER:
        return {"timestep_spacing": "linspace", "steps_offset": 0}
    raise ConfigError(f"diffusers has no spacing {spacing!r} for {kind}: use LeadingTimesteps(), or none")
