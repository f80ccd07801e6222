"""The style sheet of a report."""

__all__ = ["STYLE"]

STYLE = """
.rlmesh { font: 15px/1.5 system-ui, sans-serif; color: #1c2126; background: #fff; }
main.rlmesh { max-width: 1060px; margin: 0 auto; padding: 24px; }
.rlmesh h1 { font-size: 1.6em; margin: 0 0 4px; overflow-wrap: anywhere; }
.rlmesh h2 { font-size: 1.15em; margin: 32px 0 8px; }
.rlmesh dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 12px 0; }
.rlmesh dt, .rlmesh .note, .rlmesh footer { color: #5c6670; }
.rlmesh dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
.rlmesh .charts { display: grid; gap: 20px; }
.rlmesh .charts { grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); }
.rlmesh .charts figure { max-width: 560px; }
.rlmesh figure { margin: 0; }
.rlmesh figcaption { font-weight: 600; margin-bottom: 4px; }
.rlmesh .scroll { overflow-x: auto; }
.rlmesh table { border-collapse: collapse; font-size: 0.92em; }
.rlmesh table { font-variant-numeric: tabular-nums; }
.rlmesh th, .rlmesh td { text-align: left; padding: 3px 14px 3px 0; }
.rlmesh th, .rlmesh td { border-bottom: 1px solid #8883; }
.rlmesh .number { text-align: right; }
.rlmesh pre { overflow-x: auto; font-size: 0.85em; }
.rlmesh footer { margin-top: 36px; font-size: 0.85em; }
.rlmesh .save { font-size: 11px; font-weight: 400; margin-left: 12px; }
.rlmesh svg { width: 100%; height: auto; display: block; }
.rlmesh .key { display: inline-block; width: 0.8em; height: 0.8em; margin: 0 5px 0 14px; }
@media (prefers-color-scheme: dark) {
  .rlmesh { color: #e3e6e8; background: #15181b; }
  .rlmesh dt, .rlmesh .note, .rlmesh footer { color: #9aa4ad; }
  body.rlmesh-page { background: #15181b; }
}
@media print { .rlmesh { color: #000; background: #fff; } }
"""
