// Charts that zoom and share a cursor. Whatever fails here, the page stays as it was delivered.
(function () {
  "use strict";
  var root = document.documentElement, data, charts = [], at = null;
  function id(name) { return document.getElementById(name); }
  function store(value) { try { if (value === undefined) return localStorage.getItem("aurelius-theme"); localStorage.setItem("aurelius-theme", value); } catch (e) { } return null; }
  function dark() {
    var theme = root.getAttribute("data-theme");
    return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function clock(s) {
    var sign = s < 0 ? "-" : ""; s = Math.round(Math.abs(s));
    var h = Math.floor(s / 3600), m = Math.floor(s % 3600 / 60), r = s % 60, two = function (n) { return (n < 10 ? "0" : "") + n; };
    return sign + (h ? h + "h" + two(m) + "m" + (r ? two(r) + "s" : "") : m ? m + "m" + two(r) + "s" : r + "s");
  }
  function number(v) {
    if (v === null || v === undefined) return "–";
    var a = Math.abs(v);
    return a >= 1000 ? Math.round(v).toLocaleString("en-US") : a >= 100 ? v.toFixed(0) : a >= 10 ? v.toFixed(1).replace(/\.0$/, "") : a === 0 ? "0" : v.toPrecision(3).replace(/\.?0+$/, "");
  }
  var dashes = { solid: [], dashed: [9, 5], dotted: [2, 4] };
  function colour(c) { return c === "ink" ? getComputedStyle(root).getPropertyValue("--ink").trim() : c; }
  function option(chart, width) {
    var css = getComputedStyle(root), quiet = css.getPropertyValue("--quiet").trim(), line = css.getPropertyValue("--line").trim();
    var series = [{ value: function (u, v) { return v === null ? "" : clock(v); }, label: "time" }];
    chart.series.forEach(function (s) {
      series.push({
        label: s.name, stroke: colour(s.colour), width: 2, dash: dashes[s.dash], spanGaps: false, points: { show: false },
        paths: s.step ? uPlot.paths.stepped({ align: 1 }) : undefined,
        value: function (u, v) { return number(v); }
      });
    });
    var grid = { stroke: line, width: 1 };
    return {
      width: width, height: 190, series: series, legend: { live: true },
      cursor: { sync: { key: "run" + chart.group }, drag: { x: true, y: false }, focus: { prox: 16 } },
      scales: { x: { time: false, range: function (u, lo, hi) { return [lo, hi]; } }, y: { range: function (u, lo, hi) {
        var most = chart.top || hi || 1;
        if (!chart.top) { chart.limits.forEach(function (l) { most = Math.max(most, l[1]); }); if (chart.band) most = Math.max(most, chart.band[2]); chart.series.forEach(function (s) { (s.hi || []).forEach(function (v) { if (v !== null) most = Math.max(most, v); }); }); most *= 1.05; }
        return [Math.min(0, lo || 0), most || 1];
      } } },
      axes: [
        { stroke: quiet, grid: grid, ticks: grid, values: function (u, v) { return v.map(function (s) { return clock(s).replace(/m00s$/, "m").replace(/h00m$/, "h"); }); }, space: 70,
          incrs: [1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400] },
        { stroke: quiet, grid: grid, ticks: grid, size: 64, values: function (u, v) { return v.map(number); } }
      ],
      hooks: { drawClear: [function (u) { under(u, chart); }], draw: [function (u) { over(u, chart); }], setScale: [function (u, key) { zoomed(u, key); }], setCursor: [function (u) { moved(u); }] }
    };
  }
  // Where most of several runs lie: between two edges, by the rule of the line.
  function bands(u, chart) {
    chart.series.forEach(function (s) {
      if (!s.lo) return;
      var c = u.ctx, px = function (i, v) { return [u.valToPos(chart.x[i], "x", true), u.valToPos(v, "y", true)]; };
      var fill = function (from, to) {
        var path = [], edge = function (v, i, back) {
          if (s.step && back && i < to - 1) path.push([px(i + 1, v[i])[0], px(i, v[i])[1]]);
          if (s.step && !back && i > from) path.push([px(i, v[i])[0], px(i, v[i - 1])[1]]);
          path.push(px(i, v[i]));
        };
        for (var i = from; i < to; i++) edge(s.hi, i, false);
        for (var j = to - 1; j >= from; j--) edge(s.lo, j, true);
        c.beginPath(); path.forEach(function (p, n) { if (n) c.lineTo(p[0], p[1]); else c.moveTo(p[0], p[1]); }); c.closePath(); c.fill();
      };
      c.save(); c.beginPath(); c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); c.clip();
      c.globalAlpha = 0.2; c.fillStyle = colour(s.colour);
      for (var from = 0; from < chart.x.length; from++) {
        if (s.lo[from] === null) continue;
        var to = from; while (to < chart.x.length && s.lo[to] !== null) to++;
        if (to - from > 1) fill(from, to);
        from = to;
      }
      c.restore();
    });
  }
  function under(u, chart) {
    bands(u, chart);
    if (!chart.band) return;
    var top = u.valToPos(chart.band[2], "y", true), bottom = u.valToPos(chart.band[1], "y", true);
    u.ctx.save(); u.ctx.fillStyle = "rgba(0,114,178,.12)"; u.ctx.fillRect(u.bbox.left, top, u.bbox.width, bottom - top); u.ctx.restore();
  }
  function over(u, chart) {
    var c = u.ctx, quiet = getComputedStyle(root).getPropertyValue("--quiet").trim();
    c.save(); c.beginPath(); c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); c.clip();
    c.strokeStyle = quiet; c.fillStyle = quiet; c.font = 11 * devicePixelRatio + "px system-ui,sans-serif"; c.lineWidth = devicePixelRatio;
    chart.limits.forEach(function (l) {
      var y = Math.round(u.valToPos(l[1], "y", true)); c.setLineDash([10, 5]); c.beginPath(); c.moveTo(u.bbox.left, y); c.lineTo(u.bbox.left + u.bbox.width, y); c.stroke();
      c.textAlign = "right"; c.fillText(l[0], u.bbox.left + u.bbox.width - 4, y - 15 * devicePixelRatio < u.bbox.top ? y + 12 * devicePixelRatio : y - 4);
    });
    data.marks.forEach(function (m) {
      var x = Math.round(u.valToPos(m[0], "x", true)); c.setLineDash([3, 4]); c.beginPath(); c.moveTo(x, u.bbox.top); c.lineTo(x, u.bbox.top + u.bbox.height); c.stroke();
    });
    c.restore();
  }
  var busy = false;
  function zoomed(u, key) {
    if (key !== "x" || busy) return;
    busy = true;
    var lo = u.scales.x.min, hi = u.scales.x.max;
    charts.forEach(function (c) { if (c !== u && c.group === u.group) c.setScale("x", { min: lo, max: hi }); });
    busy = false;
    root.setAttribute("data-zoom", lo + ".." + hi);
  }
  function moved(u) {
    if (u.cursor.idx === null || u.cursor.idx === undefined) return;
    at = u.data[0][u.cursor.idx];
    root.setAttribute("data-cursor", String(at));
    var out = id("cursor-time"); if (out) out.textContent = clock(at);
  }
  function jump(t) {
    if (!charts.length) return;
    t = Math.max(0, Math.min(data.span, t));
    charts.forEach(function (u) { if (t < u.scales.x.min || t > u.scales.x.max) u.setScale("x", { min: 0, max: u.span }); });
    var u = charts[0];
    u.setCursor({ left: u.valToPos(t, "x"), top: 10 });
    var live = id("live"); if (live) live.textContent = "cursor at " + clock(at === null ? t : at);
  }
  function reset() { charts.forEach(function (u) { u.setScale("x", { min: 0, max: u.span }); }); }
  function draw() {
    charts.forEach(function (u) { u.destroy(); }); charts = [];
    data.charts.forEach(function (chart) {
      var figure = id("chart-" + chart.id); if (!figure) return;
      var place = figure.querySelector(".live"), svg = figure.querySelector("svg");
      var u = new uPlot(option(chart, figure.clientWidth), [chart.x].concat(chart.series.map(function (s) { return s.y; })), place);
      svg.setAttribute("hidden", ""); svg.style.display = "none";
      u.group = chart.group; u.span = chart.x[chart.x.length - 1]; charts.push(u);
    });
    if (at !== null) jump(at);
  }
  function hash() { var m = /[#&]t=(-?[0-9.]+)/.exec(location.hash); if (m) jump(parseFloat(m[1])); }
  function sortable(table) {
    Array.prototype.forEach.call(table.tHead ? table.tHead.rows[0].cells : [], function (cell, column) {
      var button = document.createElement("button"); button.type = "button"; button.textContent = cell.textContent;
      button.title = "sort"; cell.textContent = ""; cell.appendChild(button);
      button.addEventListener("click", function () {
        var up = cell.getAttribute("aria-sort") !== "ascending", body = table.tBodies[0];
        Array.prototype.forEach.call(table.tHead.rows[0].cells, function (c) { c.removeAttribute("aria-sort"); });
        cell.setAttribute("aria-sort", up ? "ascending" : "descending");
        var value = function (row) { var c = row.cells[column]; if (!c) return ""; var v = c.getAttribute("data-v"); return v === null ? c.textContent : parseFloat(v); };
        Array.prototype.slice.call(body.rows).sort(function (a, b) {
          var x = value(a), y = value(b);
          return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
        }).forEach(function (row) { body.appendChild(row); });
      });
    });
  }
  function filter(input) {
    input.addEventListener("input", function () {
      var word = input.value.toLowerCase();
      Array.prototype.forEach.call(id(input.getAttribute("data-for")).tBodies[0].rows, function (row) {
        row.hidden = row.textContent.toLowerCase().indexOf(word) < 0;
      });
    });
  }
  function copy(button) {
    button.addEventListener("click", function () {
      var from = id(button.getAttribute("data-copy"));
      var range = document.createRange(); range.selectNodeContents(from);
      var s = getSelection(); s.removeAllRanges(); s.addRange(range);
      var ok = false; try { ok = document.execCommand("copy"); } catch (e) { }
      button.textContent = ok ? "Copied" : "Selected";
    });
  }
  function cell(v) { v = v === null || v === undefined ? "" : String(v); return /[",\n]/.test(v) ? '"' + v.replace(/"/g, '""') + '"' : v; }
  function lines(rows) { return rows.map(function (row) { return row.map(cell).join(","); }).join("\n") + "\n"; }
  function chartCsv(chart) {
    var head = ["t_s"], columns = [];
    chart.series.forEach(function (s) {
      head.push(s.name + " (" + chart.unit + ")"); columns.push(s.y);
      if (s.lo) { head.push(s.name + " 5th percentile of runs", s.name + " 95th percentile of runs"); columns.push(s.lo, s.hi); }
    });
    return lines([head].concat(chart.x.map(function (x, i) { return [x].concat(columns.map(function (c) { return c[i]; })); })));
  }
  function tableCsv(table) {
    return lines(Array.prototype.map.call(table.rows, function (row) { return Array.prototype.map.call(row.cells, function (c) { return c.textContent.trim(); }); }));
  }
  function slug(text) { return text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, ""); }
  function download(name, text) {
    var a = document.createElement("a");
    a.href = "data:application/octet-stream;charset=utf-8," + encodeURIComponent(text); a.download = name;
    document.body.appendChild(a); a.click(); a.remove();
  }
  function start() {
    data = JSON.parse(id("series").textContent);
    var theme = store(); if (theme === "dark" || theme === "light") root.setAttribute("data-theme", theme);
    Array.prototype.forEach.call(document.querySelectorAll(".tools[hidden],.cursor[hidden]"), function (e) { e.hidden = false; });
    id("theme").addEventListener("click", function () { var next = dark() ? "light" : "dark"; root.setAttribute("data-theme", next); store(next); draw(); });
    if (id("reset")) id("reset").addEventListener("click", reset);
    Array.prototype.forEach.call(document.querySelectorAll("button[data-csv]"), function (b) {
      b.addEventListener("click", function () { var chart = data.charts[+b.getAttribute("data-csv")]; download(slug(data.name + " " + chart.title) + ".csv", chartCsv(chart)); });
    });
    Array.prototype.forEach.call(document.querySelectorAll("button[data-table-csv]"), function (b) {
      b.addEventListener("click", function () { download(slug(data.name) + ".csv", tableCsv(id(b.getAttribute("data-table-csv")))); });
    });
    Array.prototype.forEach.call(document.querySelectorAll("table.sort"), sortable);
    Array.prototype.forEach.call(document.querySelectorAll("input[data-for]"), filter);
    Array.prototype.forEach.call(document.querySelectorAll("button[data-copy]"), copy);
    id("json").addEventListener("click", function () { download(data.name + ".json", id("result").textContent); });
    draw();
    root.setAttribute("data-ready", "yes");
    Array.prototype.forEach.call(document.querySelectorAll(".live"), function (e) {
      e.tabIndex = 0;
      e.addEventListener("keydown", function (event) {
        var step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (event.key === "Escape" || event.key === "0") { reset(); return; }
        if (!step || !charts.length) return;
        event.preventDefault();
        var u = charts[0], i = at === null ? 0 : u.valToIdx(at) + step * (event.shiftKey ? 10 : 1);
        jump(u.data[0][Math.max(0, Math.min(u.data[0].length - 1, i))]);
      });
    });
    addEventListener("hashchange", hash); hash();
    var wait; addEventListener("resize", function () { clearTimeout(wait); wait = setTimeout(function () { charts.forEach(function (u) { u.setSize({ width: u.root.parentNode.clientWidth, height: 190 }); }); }, 150); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  }
  try { start(); } catch (e) { if (window.console) console.warn("the report stays static: " + e.message); }
})();
