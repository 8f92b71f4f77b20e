"""The explorer's look: one style sheet, in the colours of the notebook it is in, light or dark."""

STYLE = """
<style>
.sendblue-explorer .sb-cards {display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 8px;
  line-height: 1.35}
.sendblue-explorer .sb-card {padding: 8px 12px;
  border: 1px solid var(--jp-border-color2, #ccc);
  border-radius: 4px; color: var(--jp-ui-font-color1, #222)}
.sendblue-explorer .sb-name, .sendblue-explorer .sb-note {font-size: 12px;
  color: var(--jp-ui-font-color1, #444)}
.sendblue-explorer .sb-number {font-size: 24px; font-weight: 600; font-variant-numeric: tabular-nums}
.sendblue-explorer .sb-plot {max-width: 100%; height: auto}
.sendblue-explorer .sb-code {font-family: var(--jp-code-font-family, monospace); margin: 0;
  padding: 6px 8px; font-size: 12px; line-height: 1.4;
  white-space: pre-wrap; overflow-wrap: anywhere;
  border: 1px solid var(--jp-border-color2, #ccc); border-radius: 4px;
  color: var(--jp-ui-font-color1, #222); background: var(--jp-layout-color2, #f5f5f5)}
.sendblue-explorer .sb-error {color: var(--jp-error-color0, #b00020)}
.sendblue-explorer .sb-words {line-height: 1.4; overflow-x: auto; color: var(--jp-ui-font-color1, #222)}
.sendblue-explorer .sb-words p {margin: 4px 0}
.sendblue-explorer h3 {margin: 4px 0; font-size: 14px; color: var(--jp-ui-font-color1, #222)}
.sendblue-explorer select:focus-visible, .sendblue-explorer button:focus-visible,
.sendblue-explorer input:focus-visible
  {outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px}
</style>
"""
