"""What stands in a package for whoever opens it."""

README = """\
# {trial}: trial package / dossier d'essai

**English.** Everything needed to recompute this evaluation. `protocol.json` is the locked protocol in canonical form,
`observations.csv` holds every observation that was used or set aside (flags: 1 PASS, 2 NOT_EVALUATED, 3 SUSPECT, 4 FAIL),
`flags.csv` which check said so, `rejects.csv` what was refused at the door, `catalogue.json` sites, devices, deployments and
windows, `evaluation.json` the result; `report.*` renders it. `datapackage.json` describes the tables (Frictionless) with the
checksum of every file. Install insitu and run

    insitu verify .

It recomputes every number from the observations, without a database, and names whatever differs.

**Français.** Tout ce qu'il faut pour recalculer cette évaluation. `protocol.json` est le protocole verrouillé sous forme canonique,
`observations.csv` contient toutes les observations retenues ou écartées (drapeaux : 1 PASS, 2 NOT_EVALUATED, 3 SUSPECT, 4 FAIL),
`flags.csv` le contrôle qui l'a dit, `rejects.csv` ce qui a été refusé à l'entrée, `catalogue.json` les sites, appareils,
déploiements et fenêtres, `evaluation.json` le résultat, mis en page dans `report.*`. `datapackage.json` décrit les tables
(Frictionless) avec l'empreinte de chaque fichier. Installez insitu et lancez `insitu verify .` : chaque nombre est recalculé à
partir des observations, sans base de données, et tout écart est nommé.

Evaluation / évaluation SHA-256: {sha256}
"""
