// Tables: DataTables sorts, searches and pages what is a plain table without it.
const text = atob(document.getElementById("table-library").textContent);
const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const url = URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
const { default: DataTable } = await import(url);
URL.revokeObjectURL(url);

const PAGE = 15;
const tables = [...document.querySelectorAll("table.data")].map((element) => {
  const rows = element.tBodies[0].rows.length;
  const { by, way } = element.dataset;
  return new DataTable(element, {
    order: by === "" ? [] : [[Number(by), way]],
    paging: rows > PAGE,
    pageLength: PAGE,
    lengthMenu: [PAGE, 50, 200, { label: "all", value: -1 }],
    searching: rows > 5,
    info: rows > PAGE,
    autoWidth: false,
    language: { search: "Search:", zeroRecords: "no row has this" },
  });
});

// On paper all rows are there.
addEventListener("beforeprint", () => {
  for (const table of tables) table.page.len(-1).draw();
  for (const details of document.querySelectorAll("details")) details.open = true;
});

const twin = JSON.parse(document.getElementById("twin").textContent);
for (const button of document.querySelectorAll("button.json")) {
  const name = button.dataset.table;
  button.setAttribute("aria-label", `save table ${name} as JSON`);
  button.addEventListener("click", () => {
    const blob = new Blob([JSON.stringify(twin.tables[name], null, 1)], { type: "application/json" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${name}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

// Plots are drawn one after the other once the page can be used, and at once where one is asked for.
const plots = [...document.querySelectorAll("figure.plot")];
const drawn = new Map();
function draw(plot) {
  if (!drawn.has(plot)) {
    const item = JSON.parse(document.getElementById(`${plot.id}_item`).textContent);
    const views = Bokeh.embed.embed_item(item, `${plot.id}_canvas`);
    drawn.set(plot, Promise.resolve(views).then(() => scrollable(plot)));
  }
  return drawn.get(plot);
}

// A finger that moves up or down over a plot scrolls the page; sideways it moves the plot.
function scrollable(plot) {
  for (const view of Bokeh.index.query((v) => v.model.type === "Figure")) {
    view.canvas.events_el.style.setProperty("touch-action", "pan-y", "important");
  }
  plot.dataset.drawn = "yes";
}

// The buttons do by keyboard what dragging and the wheel do by mouse.
const STEP = 0.25;
const ZOOM = 2;
const whole = new Map();
function model(id) {
  for (const part of Bokeh.documents) {
    const found = part.get_model_by_id(id);
    if (found) return found;
  }
  return null;
}
function moved(range, how) {
  const { start, end } = range;
  const size = end - start;
  const middle = (start + end) / 2;
  if (how === "left") return [start - STEP * size, end - STEP * size];
  if (how === "right") return [start + STEP * size, end + STEP * size];
  if (how === "in") return [middle - size / ZOOM / 2, middle + size / ZOOM / 2];
  if (how === "out") return [middle - (size * ZOOM) / 2, middle + (size * ZOOM) / 2];
  return whole.get(range.id);
}
for (const plot of plots) {
  plot.addEventListener("click", async (event) => {
    const how = event.target.dataset?.move;
    if (!how) return;
    await draw(plot);
    for (const id of plot.dataset.ranges.split(" ").filter(Boolean)) {
      const range = model(id);
      if (!range) continue;
      if (!whole.has(id)) whole.set(id, [range.start, range.end]);
      const [start, end] = moved(range, how);
      range.setv({ start, end });
    }
  });
}
performance.mark("ready");
document.documentElement.dataset.ready = "yes";

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) draw(entry.target);
}, { rootMargin: "400px" });
const idle = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 50));
for (const plot of plots) seen.observe(plot);
for (const plot of plots) {
  await new Promise((done) => idle(done));
  await draw(plot);
}
document.documentElement.dataset.drawn = "yes";
