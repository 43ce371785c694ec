"""What stands in a package for whoever opens it."""

README = """\
# {trial}: trial package / dossier d'essai

**English.** Everything needed to recompute this evaluation.

- `protocol.json`: the locked protocol in canonical form (RFC 8785); its SHA-256 is the one that was locked.
- `protocols/`, where the protocol was amended: the versions before it. `catalogue.json` states when each was locked, and its SHA-256.
- `observations.csv`: every observation of the trial's periods, used or set aside. Times are UTC; `result` has the unit that `catalogue.json`
  states for its `datastream` (device/name); flags: 1 PASS, 2 NOT_EVALUATED, 3 SUSPECT, 4 FAIL.
- `flags.csv`: which check did not pass, and with which flag. `rejects.csv`: what was refused at the door, counted by reason.
- `catalogue.json`: organisations, sites, devices with their deployments, datastreams with their units, declared windows, gaps, lock time, who
  unblinded an endpoint, earlier evaluations.
- `evaluation.json`: the result, every number with 9 significant digits. `report.*` renders it, in French and in English.
- `datapackage.json`: describes the tables (Frictionless Data Package) with the checksum of every file. `signature.json`, where there is one, is the
  Ed25519 signature over it: compare the public key with the one that the lab gives you.

Install insitu (this evaluation was made with version {version}) and run

    insitu verify .

It compares checksums, protocol and signature and recomputes every number from the observations, without a database, and names whatever differs.
A text that begins with an apostrophe had it put there against spreadsheets that run formulas.

**Français.** Tout ce qu'il faut pour recalculer cette évaluation.

- `protocol.json` : le protocole verrouillé sous forme canonique (RFC 8785) ; son SHA-256 est celui qui a été verrouillé.
- `protocols/`, si le protocole a été amendé : les versions précédentes. `catalogue.json` donne l'heure de verrouillage et le SHA-256 de chacune.
- `observations.csv` : toutes les observations des périodes de l'essai, retenues ou écartées. Heures en UTC ; `result` est dans l'unité que
  `catalogue.json` indique pour son `datastream` (appareil/nom) ; drapeaux : 1 PASS, 2 NOT_EVALUATED, 3 SUSPECT, 4 FAIL.
- `flags.csv` : le contrôle qui n'est pas passé, et avec quel drapeau. `rejects.csv` : ce qui a été refusé à l'entrée, compté par motif.
- `catalogue.json` : organisations, sites, appareils et déploiements, séries et unités, fenêtres déclarées, lacunes, heure de verrouillage, levées
  d'aveugle, évaluations antérieures.
- `evaluation.json` : le résultat, chaque nombre avec 9 chiffres significatifs. `report.*` le met en page, en français et en anglais.
- `datapackage.json` : décrit les tables (Frictionless Data Package) avec l'empreinte de chaque fichier. `signature.json`, s'il existe, en est la
  signature Ed25519 : comparez la clé publique avec celle que le laboratoire vous donne.

Installez insitu (cette évaluation a été faite avec la version {version}) et lancez

    insitu verify .

La commande compare empreintes, protocole et signature, recalcule chaque nombre à partir des observations, sans base de données, et nomme tout écart.
Un texte qui commence par une apostrophe l'a reçue contre les tableurs qui exécutent des formules.

Evaluation / évaluation SHA-256: {sha256}
"""
