"""What went wrong, in the user's language: errors are worded in English, where they arise; here the common ones are
put into plain French. Of another one French is told that the log has the details, which whoever met it wrote there;
one that ends the program, or keeps it from starting, is then told as it was worded (`told`).
"""

from __future__ import annotations

import re

from core.messages import Language

REST = "le journal en dit plus"
_STAGES = {"listen": "en écoutant", "stt": "en cherchant les mots", "llm": "en répondant", "announce": "en annonçant"}
_WHOLE: tuple[tuple[str, str], ...] = (
    (r"(\S+) cannot be used, (\S+) listens instead: (.*)", "{0} ne peut pas servir, {1} écoute à sa place : {rest}"),
    (
        r"the skills answer alone: (.*)",
        "le modèle de langue ne peut pas servir, je réponds avec ce que je sais faire : {rest}",
    ),
    (r"(\S+) speaks instead of (\S+): (.*)", "{0} parle à la place de {1} : {rest}"),
    (r"(\S+) speaks where (\S+) cannot: (.*)", "{0} parle là où {1} ne le peut pas : {rest}"),
    (
        r"(.+): turns are not recorded \((.*)\); .*",
        "les tours ne sont pas enregistrés dans {0} ({rest}) ; faites-y de la place, ou donnez-y le droit d'écrire",
    ),
)
"""lines that hold an error at their end"""
_MODELS: tuple[tuple[str, str], ...] = (
    (
        r"(\S+): is not on this machine; `models download \S+` fetches it",
        "{0} n'est pas sur cette machine ; `python3 main.py models download {0}` le télécharge",
    ),
    (r"(\S+): there is no such folder.*", "il n'y a pas de dossier {0}"),
    (
        r"(\S+) does not understand fr, .*",
        "{0} ne comprend que l'anglais ; un modèle multilingue entend le français : `--set stt.model=whisper-base`",
    ),
)
_SERVER: tuple[tuple[str, str], ...] = (
    (r"(\S+): does not answer \((.*)\); is the server running\?", "{0} ne répond pas ({1}) ; le serveur tourne-t-il ?"),
    (r"(\S+): has not answered for ([\d.]+) s.*", "{0} n'a pas répondu depuis {1} s"),
    (r"(\S+): broke the reply off.*", "{0} a interrompu sa réponse"),
    (r"(\S+): refuses the key .*; set (\S+) .*", "{0} refuse la clé ; donnez-en une par la variable {1}"),
    (
        r"(\S+): knows no such model or path .*",
        "{0} ne connaît pas ce modèle ou ce chemin ; vérifiez llm.model et llm.base_url",
    ),
    (r"(\S+): has too much to do .*", "{0} a trop à faire ; réessayez plus tard"),
    (r"(\S+): wants to redirect .*", "{0} renvoie ailleurs ; donnez cette adresse-là à llm.base_url"),
    (
        r"(\S+): does not answer as such a server does.*",
        "{0} ne répond pas comme un tel serveur ; vérifiez llm.base_url",
    ),
    (r"(\S+): refuses the request \(error (\d+)\).*", "{0} refuse la demande (erreur {1}) ; son journal dit pourquoi"),
)
"""a language model's, of llm.remote"""
_ERRORS: tuple[tuple[str, str], ...] = (
    *_MODELS,
    *_SERVER,
    (r".* does not answer \(.*", "le serveur des modèles ne répond pas ; vérifiez le réseau"),
    (r".*--offline.*", "--offline interdit le réseau"),
    (r".*the connection was lost at .*", "la connexion s'est interrompue ; le téléchargement reprendra où il en était"),
    (r".*(?:connection was cut|trying again).*", "la connexion a été coupée, nouvel essai"),
    (r".*came damaged.*", "ce qui a été reçu est abîmé"),
    (r".*(?:free some space|not enough room|No space left).*", "il manque de la place sur le disque"),
    (r".*(?:not enough memory|memory does not suffice|out of memory|short of memory).*", "la mémoire ne suffit pas"),
    (r".*(?:is|are) not installed.*", "il manque des paquets ; `python3 main.py check` dit lesquels"),
    (
        r"the speaker took no sound for (\d+) s; .*",
        "le haut-parleur n'a pris aucun son pendant {0} s ; est-il branché ?",
    ),
)
_DEVICE = r"(microphone|speaker) (\d+), (.*) \((.*?)(, your system's default)?\), "
_DEVICE_FR = "{0} {1}, {2} ({3}{4}), "
_CHOOSING = r"choose another: .*audio\.(input|output)_device=.*"
_CHOOSING_FR = (
    "choisissez-en un autre : `python3 main.py devices` en donne la liste, `--set audio.{}_device=NUMÉRO` en prend un"
)
_INSTALL = r"(?:re)?install it with: (.*)"
_FOLDER = "choisissez-en un autre par MERLINE_HOME"
_CONVERT = "convertissez-le, par exemple : {2}"
_WORDS = {"microphone": "micro", "speaker": "haut-parleur", ", your system's default": ", celui de votre système"}
"""what a pattern below may find and give to its French"""
_AT_START: tuple[tuple[str, str], ...] = (
    (
        r"no (microphone|speaker) was found; .*",
        "aucun {0} n'a été trouvé ; branchez-en un, ou voyez ce qu'il y a : python3 main.py devices",
    ),
    (
        r"(.*)audio\.(input|output)_device: (.*): there is no such device; .* its number:(.*)",
        "{0}audio.{1}_device : {2} : il n'y a pas d'appareil de ce nom ; donnez le numéro de l'un de ceux-ci :{3}",
    ),
    (
        r"(.*)audio\.(input|output)_device: (.*): several devices fit; .* its number:(.*)",
        "{0}audio.{1}_device : {2} : plusieurs appareils portent ce nom ; donnez le numéro de l'un d'eux :{3}",
    ),
    (
        rf"{_DEVICE}cannot be opened at (\d+) Hz with (\d+) channel\(s\) \((.*)\); close .*, or {_CHOOSING}",
        f"{_DEVICE_FR}ne s'ouvre pas à {{5}} Hz, canaux : {{6}} ({{7}}) ; fermez le programme qui s'en sert, ou "
        f"{_CHOOSING_FR.format('{8}')}",
    ),
    (
        rf"{_DEVICE}does not start \((.*)\); unplug .*, or {_CHOOSING}",
        f"{_DEVICE_FR}ne démarre pas ({{5}}) ; débranchez-le et rebranchez-le, ou {_CHOOSING_FR.format('{6}')}",
    ),
    (
        rf"the PortAudio library cannot be loaded \((.*)\); {_INSTALL}",
        "la bibliothèque PortAudio ne se charge pas ({0}) ; pour l'installer : {1}",
    ),
    (
        rf"PortAudio cannot list the sound devices \((.*)\); {_INSTALL}",
        "PortAudio ne trouve pas les appareils de son ({0}) ; pour le réinstaller : {1}",
    ),
    (
        rf"PortAudio cannot be started \((.*)\); {_INSTALL}",
        "PortAudio ne démarre pas ({0}) ; pour le réinstaller : {1}",
    ),
    (
        r"audio\.backend: (\S+) is not installed \((.*)\); (pip install .*)",
        "audio.backend : {0} n'est pas installé ({1}) ; {2}",
    ),
    (r"python: Python (\S+); .*", "Python {0} : il faut Python 3.11, 3.12 ou 3.13"),
    (r"packages: not installed: (.*); .*", "il manque des paquets ({0}) ; `python3 main.py` les installe"),
    (
        r"models: (\S+) is not installed; .*",
        "il manque le paquet {0} ; `python3 main.py` l'installe",
    ),
    (
        r"models: missing model files: (.*); .*",
        "il manque des fichiers de modèles ({0}) ; supprimez le dossier .venv et recommencez : les paquets sont remis",
    ),
    (
        r"data folder: (.*) cannot be written \((.*)\); .*",
        f"on ne peut pas écrire dans le dossier de données {{0}} ({{1}}) ; libérez de la place ou {_FOLDER}",
    ),
    (
        r"(?:data folder: )?(.*): the data folder cannot be made \((.*)\); .*",
        f"le dossier de données {{0}} ne peut pas être créé ({{1}}) ; {_FOLDER}",
    ),
    (
        r"(?:data folder: )?(.*): the data folder is read-only; .*",
        f"le dossier de données {{0}} est en lecture seule ; rendez-le inscriptible ou {_FOLDER}",
    ),
    (
        r"the output cannot be written \((.*)\); .*",
        "la sortie ne peut pas être écrite ({0}) ; faites de la place sur le disque",
    ),
    (r"disk space: (\d+) MB free at (.*); .*", "{0} Mo libres dans {1} ; faites de la place sur le disque"),
    (
        r"(\w[\w ]*): gave no answer within ([\d.]+) s; .*",
        "{0} : pas de réponse en {1} s ; fermez ce qui occupe cette machine, puis recommencez",
    ),
    (
        r"Merline is already talking \(process (.*)\) with (.*); .*",
        "Merline parle déjà (processus {0}) avec {1} ; fermez l'autre, ou donnez à celle-ci un autre dossier par "
        "MERLINE_HOME",
    ),
    (
        r"(.*): nothing was understood in it; .*",
        "{0} : je n'y ai rien compris ; est-ce de la parole, assez forte, dans une langue que je connais ?",
    ),
    (r"(.*): there is no such file; .*", "{0} : il n'y a pas de fichier de ce nom ; vérifiez le nom et le dossier"),
    (r"(.*): is a folder; name one WAV .*", "{0} : c'est un dossier ; nommez un fichier WAV qu'il contient"),
    (
        r"(.*): is a folder; name one file in it, such as (.*)",
        "{0} : c'est un dossier ; nommez un fichier qu'il contient, comme {1}",
    ),
    (
        r"(.*): is no recording of a turn \(.*\); give one of the files in (.*)",
        "{0} : n'est pas l'enregistrement d'un tour ; donnez l'un des fichiers de {1}",
    ),
    (
        r"(.*): was made by a newer version; .*",
        "{0} : vient d'une version plus récente ; mettez Merline à jour pour le rejouer",
    ),
    (r"(.*): cannot be read \((.*)\); check the path", "{0} : illisible ({1}) ; vérifiez le nom et le dossier"),
    (r"(.*): cannot be read \((.*)\); .*", "{0} : illisible ({1}) ; vérifiez les droits d'accès"),
    (r"(.*): (?:is empty \(0 bytes\)|holds no sound .*); .*", "{0} : ne contient aucun son ; enregistrez-le à nouveau"),
    (r"(.*): is cut off .*; .*", "{0} : le fichier est coupé dès le début ; copiez-le ou enregistrez-le à nouveau"),
    (
        r"(.*): (?:is|has|holds|declares) (.*); convert it, e\.g\. with: (.*)",
        f"{{0}} : n'est pas un fichier WAV que je sache lire ; {_CONVERT}",
    ),
    (
        r"(.*): lasts ([\d.]+) minutes and at most ([\d.]+) can be used here; cut it, e\.g\. with: (.*) \(.*",
        "{0} : dure {1} minutes, et {2} au plus peuvent servir ici ; raccourcissez-le, par exemple : {3}",
    ),
)
"""what keeps a command from beginning: sound devices, the checks before `talk`, the recording of `ask`"""
_AND = "\nand "
_LEFT_OUT: dict[Language, str] = {
    "en": "left out: {what}, because {why}",
    "fr": "laissé de côté : {what}, trop grand ou trop lent pour cette machine (`python3 main.py optimize plan` en dit "
    "plus)",
}
_ABSENT = re.compile(
    r"(?:the skills answer alone|\S+ cannot be used, (\S+) listens instead): (\S+): is not on this machine; `.*"
)
"""a model that the configuration names and that nobody has fetched: nothing is broken"""
_NOT_YET: dict[Language, tuple[str, str, str]] = {
    "en": (
        "{name} is not on this machine yet; until it is, my skills answer alone.",
        "{name} is not on this machine yet; until it is, {instead} listens.",
        " `python3 main.py models download {name}` fetches it.",
    ),
    "fr": (
        "{name} n'est pas encore sur cette machine ; d'ici là, je réponds avec ce que je sais faire.",
        "{name} n'est pas encore sur cette machine ; d'ici là, {instead} écoute.",
        " `python3 main.py models download {name}` le télécharge.",
    ),
}


def error_words(text: str, language: Language, comes: bool = False) -> str:
    """An error's text, or a line that ends with one, for the user; `comes`: a missing language model is being brought
    or offered, so that nobody has to fetch it.
    """
    absent = _ABSENT.fullmatch(text)
    if absent is not None:
        answering, hearing, cure = _NOT_YET[language]
        not_yet = hearing if absent[1] else answering
        return (not_yet if comes and not absent[1] else not_yet + cure).format(name=absent[2], instead=absent[1])
    if language != "fr":
        return text
    for pattern, french in _WHOLE:
        found = re.fullmatch(pattern, text, re.DOTALL)
        if found is not None:
            *names, error = found.groups()
            return french.format(*names, rest=_in_french(error))
    return _in_french(text)


def told(text: str, language: Language) -> str:
    """An error that ends a command, or what a check before it found; as it was worded where no French is known."""
    if language != "fr":
        return text
    return "\net ".join(_found(one, (*_AT_START, *_MODELS)) or one for one in text.split(_AND))


def logged(text: str, language: Language) -> str:
    """An error that the terminal shows as it is logged; as it was worded where no French is known."""
    if language != "fr":
        return text
    return _found(re.sub(r"^turn \d+: ", "", text), _ERRORS) or text


def left_out(what: str, why: str, language: Language) -> str:
    """What this machine does without, and why."""
    return _LEFT_OUT[language].format(what=what, why=why)


def lost_turn(stage: str, error: str, language: Language) -> str:
    """Why a turn was lost, behind the words that it was."""
    if language != "fr":
        return error
    return f"{_STAGES.get(stage, 'en parlant')}, {_in_french(error)}"


def _in_french(error: str) -> str:
    return _found(error, _ERRORS) or REST


def _found(error: str, table: tuple[tuple[str, str], ...]) -> str:
    """The French of the first pattern that fits; empty where none does."""
    for pattern, french in table:
        found = re.fullmatch(pattern, error, re.DOTALL)
        if found is not None:
            return french.format(*(_word(group) for group in found.groups(default="")))
    return ""


def _word(found: str) -> str:
    """What a pattern found, in French where it is a word or a number."""
    return found.replace(".", ",") if re.fullmatch(r"\d+\.\d+", found) else _WORDS.get(found, found)
