"""The models that `optimize` works on: by name, by a Python file's function, or by a folder of the assistant's.

Random inputs stand in for data where a model brings none; then quality is agreement with the original, on noise.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from core.app.calibration_text import SENTENCES
from core.app.models_from_python import from_python, made_model
from core.utils.errors import MerlineError, MissingDependencyError, ModelError, ModelLoadError

if TYPE_CHECKING:
    from torch import nn

    from core.optimization.toolbox.registry import RegisteredModel

BATCHES = 4
SEED = 7
TOKENS = 64
FRAMES = 64
NO_DATA = (
    "the model brings no example input: let FUNCTION return (module, example input), or a RegisteredModel with data"
)
TEXT = "judged by agreement with the original on everyday sentences, and calibrated on them"
NOISE = "its inputs are random: quality is agreement with the original on noise"


def shape_names() -> dict[str, str]:
    """Networks of true shapes with random weights, and what each is."""
    return {
        "resnet18": "ResNet-18, 224 px, random weights",
        "bert": "4 layers of BERT-base's size, random weights",
        "qwen": "one decoding step of Qwen2-0.5B's widths, 3 layers, random weights",
    }


def registered(name: str, learns: bool = False) -> tuple[RegisteredModel, str]:
    """The model called `name` with its data, and what to know of it. `learns`: in a form that can be trained.

    `name`: one of shape_names(), FILE.py:FUNCTION, the name of a model that was downloaded, or the path of a folder
    (a causal LM, a BERT, a MeloTTS voice) or of an openai-whisper .pt file. Raises ModelLoadError for anything else.
    """
    if ".py:" in name:
        return from_python(name)
    if name in shape_names():
        return _shape(name)
    path = Path(name)
    if not path.exists():
        from core.utils.model_store import ModelStore

        try:
            found = ModelStore().find(name)
        except ModelError:
            found = None
        if found is None:
            raise ModelLoadError(
                f"{name}: no model, folder or file is called that; give FILE.py:FUNCTION, a model's folder, a name of "
                f"`models list` that is on this machine, or one of {', '.join(shape_names())}"
            )
        path = found
    model, told = _from_path(path, learns)
    made_model(model).requires_grad_(learns)
    return model, told


def _shape(name: str) -> tuple[RegisteredModel, str]:
    import torch

    from core.optimization.toolbox.registry import RegisteredModel

    shape = import_module("benchmarks.shapes").SHAPES[list(shape_names()).index(name)]
    torch.manual_seed(SEED)
    model = shape.make().eval()
    inputs = [shape.make_input() for _ in range(BATCHES)]
    return RegisteredModel(model, inputs), f"{shape.name}: random weights cannot show {shape.hides}; {NOISE}"


def _from_path(path: Path, learns: bool) -> tuple[RegisteredModel, str]:
    if path.suffix == ".pt" and path.is_file():
        return _whisper(path)
    if path.suffix == ".onnx":
        raise ModelLoadError(
            f"{path} is an ONNX graph, and this works on PyTorch models: give what it was exported from, as "
            "FILE.py:FUNCTION or a folder; `optimize tensorrt` takes the graph itself"
        )
    if path.suffix == ".py":
        raise ModelLoadError(f"{path}: name the function in it that makes the model: {path}:FUNCTION")
    if path.is_file():
        raise ModelLoadError(
            f"{path} is no model that is read here: weights alone do not say what computes with them; give "
            "FILE.py:FUNCTION that makes the model and loads them, or a model's folder with its config.json"
        )
    try:
        config: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            f"{path} holds no config.json of a model that is known here ({error}); give the folder of a causal LM, a "
            "BERT or a MeloTTS voice, or FILE.py:FUNCTION that makes the model and loads its weights"
        ) from error
    if (path / "model.bin").exists():
        raise ModelLoadError(
            f"{path} is a Whisper in CTranslate2's own format, which is optimised already and no PyTorch model; give "
            "openai's .pt file"
        )
    if "spk2id" in config.get("data", {}):
        return _melo_decoder(path)
    return _bert(path) if config.get("model_type") == "bert" else _causal(path, learns)


def _inputs(make: Callable[[Any], Any]) -> list[Any]:
    """BATCHES inputs from one seed each, so that two runs see the same."""
    import torch

    return [make(torch.Generator().manual_seed(SEED + number)) for number in range(BATCHES)]


def _with(model: nn.Module, inputs: list[Any], what: str) -> tuple[RegisteredModel, str]:
    from core.optimization.toolbox.registry import RegisteredModel

    return RegisteredModel(model, inputs), f"{what}; {NOISE}"


def _melo_decoder(folder: Path) -> tuple[RegisteredModel, str]:
    import torch

    from tts.melo.weights import load_network

    decoder = load_network(folder).dec
    shape = decoder.shape

    def frames(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        return (
            torch.randn(1, shape.channels, FRAMES, generator=generator),
            torch.randn(1, shape.speaker_width, 1, generator=generator),
        )

    return _with(decoder, _inputs(frames), f"the decoder of a MeloTTS voice, {FRAMES} frames")


def _bert(folder: Path) -> tuple[RegisteredModel, str]:
    import torch

    from tts.melo.bert import load_bert

    bert = load_bert(folder)
    words = bert.config.vocabulary
    made = _inputs(lambda generator: torch.randint(words, (min(TOKENS, bert.config.positions),), generator=generator))
    return _with(bert, made, "the layers of a BERT that MeloTTS's features need")


def _causal(folder: Path, learns: bool) -> tuple[RegisteredModel, str]:
    import torch

    from core.models.configuration import read_config
    from core.models.hf_loading import load_hf_model
    from core.models.hf_model import HFModel
    from core.models.loading import LoadOptions, load_model
    from core.optimization.toolbox.registry import RegisteredModel

    options, config = LoadOptions(fused=False), read_config(folder)
    # our own decoder computes without gradients
    model = load_hf_model(folder, config, options) if learns else load_model(folder, options)[0]
    if isinstance(model, HFModel):
        model = model.network
    what = f"a causal LM over {TOKENS} tokens at once"
    try:
        return RegisteredModel(model, _text_inputs(folder)), f"{what}; {TEXT}"
    except MerlineError as error:
        words = int(config["vocab_size"])
        made = _inputs(lambda generator: torch.randint(words, (1, TOKENS), generator=generator))
        return _with(model, made, f"{what}, random ones ({error})")


def _text_inputs(folder: Path) -> list[Any]:
    """Everyday sentences as [1, TOKENS] each. Raises MerlineError where there is no tokenizer, or too small a text."""
    import torch

    from core.models.tokenizer import load_tokenizer

    ids = torch.tensor(load_tokenizer(folder).encode(SENTENCES))
    pieces = list(ids[: len(ids) // TOKENS * TOKENS].view(-1, 1, TOKENS))
    if len(pieces) < 2:
        raise ModelLoadError(f"{folder}: its tokenizer makes only {len(ids)} tokens of the sentences to calibrate on")
    return pieces


def _whisper(path: Path) -> tuple[RegisteredModel, str]:
    import torch
    import whisper

    try:
        model = whisper.load_model(str(path), device="cpu")
    except (KeyError, TypeError, AttributeError, RuntimeError, EOFError, UnpicklingError) as error:
        raise ModelLoadError(
            f"{path} is no Whisper of openai's ({type(error).__name__}), the one kind of .pt file that is read here; "
            "give FILE.py:FUNCTION that makes the model and loads the file"
        ) from error
    bands, places = model.dims.n_mels, 2 * model.dims.n_audio_ctx
    made = _inputs(lambda generator: torch.randn(1, bands, places, generator=generator))
    return _with(model.encoder.eval(), made, "the encoder of a Whisper over 30 s")


def for_judging(found: RegisteredModel) -> RegisteredModel:
    """Calibrated on other inputs than it is judged on, where there are several and none were named for that."""
    data = found.test_data
    if found.calibration_data is not None or not isinstance(data, list) or len(data) < 2:
        return found
    return replace(found, test_data=data[:1] + data[len(data) // 2 :], calibration_data=data[1 : len(data) // 2 + 1])


def need_torch() -> None:
    """Raises MissingDependencyError without torch."""
    if importlib.util.find_spec("torch") is None:
        raise MissingDependencyError(
            "optimize: torch is not installed, and models are transformed by it; it comes with the extra `full`: "
            "MERLINE_EXTRAS=full,toolbox python3 main.py"
        )


def first_input(model: RegisteredModel) -> Any:
    """The example to export and time with. Raises ModelLoadError where the model brings none."""
    from core.optimization.toolbox.batches import as_batches

    if model.test_data is None:
        raise ModelLoadError(NO_DATA)
    return as_batches(model.test_data, "the model's example input")[0].inputs
