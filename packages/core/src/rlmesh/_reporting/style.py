"""The style sheet of a report."""

__all__ = ["STYLE"]

STYLE = """
.rlmesh { font: 15px/1.5 system-ui, sans-serif; color: #1c2126; background: #fff; }
main.rlmesh { max-width: 1060px; margin: 0 auto; padding: 24px; }
.rlmesh { overflow-wrap: anywhere; }
.rlmesh h1 { font-size: 1.6em; margin: 0 0 4px; }
.rlmesh h2 { font-size: 1.15em; margin: 32px 0 8px; }
.rlmesh dl { display: grid; gap: 2px 16px; margin: 12px 0; }
.rlmesh dl { grid-template-columns: fit-content(40%) minmax(0, 1fr); }
.rlmesh dt, .rlmesh .note, .rlmesh footer { color: #5c6670; }
.rlmesh dd { margin: 0; white-space: pre-wrap; }
.rlmesh .charts { display: grid; gap: 20px; }
.rlmesh .charts { grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); }
.rlmesh .charts figure { max-width: 640px; }
.rlmesh figure { margin: 0; }
.rlmesh figcaption { font-weight: 600; margin-bottom: 4px; }
.rlmesh .scroll { overflow-x: auto; overflow-wrap: normal; }
.rlmesh .scroll { margin-bottom: 16px; }
.rlmesh table { border-collapse: collapse; font-size: 0.92em; }
.rlmesh table { font-variant-numeric: tabular-nums; }
.rlmesh th, .rlmesh td { text-align: left; padding: 3px 14px 3px 0; }
.rlmesh th, .rlmesh td { border-bottom: 1px solid #8883; }
.rlmesh .number { text-align: right; }
.rlmesh pre { font-size: 0.85em; white-space: pre-wrap; }
.rlmesh .failure p, .rlmesh .failure pre { margin: 4px 0; }
.rlmesh .failure { margin-bottom: 14px; }
.rlmesh .named { display: inline-block; font-weight: 400; }
.rlmesh footer { margin-top: 36px; font-size: 0.85em; }
.rlmesh .save { font-size: 11px; font-weight: 400; margin-left: 12px; }
.rlmesh svg { width: 100%; height: auto; display: block; }
.rlmesh details > summary { cursor: pointer; }
.rlmesh summary > h2 { display: inline-block; }
.rlmesh .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.rlmesh .key { display: inline-block; width: 0.8em; height: 0.8em; margin: 0 5px 0 14px; }
.rlmesh .mark { margin: 0 5px 0 14px; }
.rlmesh .mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.rlmesh-page { margin: 0; color-scheme: light dark; }
@media screen and (prefers-color-scheme: dark) {
  .rlmesh { color: #e3e6e8; background: #15181b; }
  .rlmesh dt, .rlmesh .note, .rlmesh footer { color: #9aa4ad; }
  body.rlmesh-page { background: #15181b; }
}
@media screen and (max-width: 600px) {
  .rlmesh .scroll td { white-space: nowrap; }
}
@media print {
  .rlmesh { color: #000; background: #fff; }
  main.rlmesh { max-width: none; padding: 0; }
  .rlmesh figure, .rlmesh tr, .rlmesh dl, .rlmesh .failure { break-inside: avoid; }
  .rlmesh h2, .rlmesh summary, .rlmesh figcaption { break-after: avoid; }
  .rlmesh .scroll { overflow: visible; }
  .rlmesh table { font-size: 0.75em; }
  .rlmesh .charts { grid-template-columns: 1fr 1fr; }
  .rlmesh details:not([open]) { display: none; }
  .rlmesh .save { display: none; }
}
"""
