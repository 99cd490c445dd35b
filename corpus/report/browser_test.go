package report_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/ctdiff/ctdiff/corpus/report"
)

// screenshotsEnv names the directory in which TestBrowser leaves pictures of
// the page, for people to look at.
const screenshotsEnv = "CTDIFF_SCREENSHOTS"

// A browser has the page open.
type browser struct {
	context.Context
	mu                 sync.Mutex
	requests, messages []string
}

// heard keeps what the browser says.
func (b *browser) heard(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, ev.Request.URL)
	case *runtime.EventConsoleAPICalled:
		b.messages = append(b.messages, fmt.Sprint(ev.Type))
	case *runtime.EventExceptionThrown:
		b.messages = append(b.messages, ev.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		b.messages = append(b.messages, ev.Entry.Text)
	}
}

// open opens a page in a browser without a window.
func open(t *testing.T, text string) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("needs a browser: apt-get install chromium")
	}
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	b := &browser{}
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(b.heard))
	t.Cleanup(cancel)
	b.Context = ctx
	time.AfterFunc(2*time.Minute, cancel)
	b.do(t, enable(network.Enable, network.EnableParams{}), enable(log.Enable, cdp.Empty{}),
		chromedp.Navigate((&url.URL{Scheme: "file", Path: file}).String()))
	return b
}

// enable makes an action of a command without a result.
func enable[P any](command cdp.Command[P, cdp.Empty], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, command, params)
		return err
	})
}

func (b *browser) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b, actions...); err != nil {
		t.Fatal(err)
	}
}

// evaluate evaluates an expression in the page.
func evaluate[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (b *browser) none(t *testing.T, what, expression string) {
	t.Helper()
	if list := evaluate[[]string](t, b, expression); len(list) > 0 {
		t.Errorf("%s: %q", what, list)
	}
}

func scheme(name string) chromedp.Action[chromedp.Void] {
	return enable(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
}

// shoot leaves a picture of the whole page, if somebody wants one.
func (b *browser) shoot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv(screenshotsEnv)
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

const (
	// structure lists what is wrong with the landmarks and headings.
	structure = `(() => {
		const bad = [];
		for (const [name, n] of Object.entries({"body > header": 1, "nav[aria-label]": 1, "main": 1, "footer": 1, "h1": 1, "html[lang]": 1, "head > title": 1, "a.skip": 1}))
			if (document.querySelectorAll(name).length != n) bad.push(name);
		let level = 0;
		for (const h of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
			if (+h.tagName[1] > level + 1) bad.push("skipped a level: " + h.textContent);
			level = +h.tagName[1];
		}
		return bad;
	})()`
	// named lists what has no name, or one that leads nowhere.
	named = `(() => {
		const bad = [];
		for (const th of document.querySelectorAll("th:not([scope])")) bad.push("th without scope: " + th.textContent);
		for (const svg of document.querySelectorAll("svg")) if (svg.getAttribute("role") != "img" || !svg.getAttribute("aria-label")) bad.push("svg");
		for (const r of document.querySelectorAll("[role=region], section, article")) if (!r.getAttribute("aria-label") && !r.getAttribute("aria-labelledby")) bad.push(r.outerHTML.slice(0, 80));
		for (const e of document.querySelectorAll("[aria-labelledby]")) if (!document.getElementById(e.getAttribute("aria-labelledby"))) bad.push("no " + e.getAttribute("aria-labelledby"));
		for (const a of document.querySelectorAll("a[href^='#']")) if (!document.getElementById(a.hash.slice(1))) bad.push("no " + a.hash);
		for (const e of document.querySelectorAll("pre, .scroll")) if (e.tabIndex != 0) bad.push("may scroll, but not by keyboard: " + e.textContent.slice(0, 40));
		const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
		for (const id of ids) if (ids.indexOf(id) != ids.lastIndexOf(id)) bad.push("twice: " + id);
		return bad;
	})()`
	// faint lists texts that stand out too little from what is behind them:
	// WCAG 2.2, 1.4.3.
	faint = `(() => {
		const parse = c => { const m = c.match(/[\d.]+/g).map(Number); return m.length > 3 && m[3] == 0 ? null : m; };
		const light = c => { const [r, g, b] = c.map(v => v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
		const behind = e => {
			if (e.ownerSVGElement) {
				const box = e.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
				for (const r of e.ownerSVGElement.querySelectorAll("rect, circle")) {
					const b = r.getBoundingClientRect();
					if (x > b.left && x < b.right && y > b.top && y < b.bottom) return parse(getComputedStyle(r).fill);
				}
			}
			for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c) return c; }
			return [255, 255, 255];
		};
		const bad = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		while (walk.nextNode()) {
			const e = walk.currentNode.parentElement;
			if (!walk.currentNode.textContent.trim() || e.closest("title, .hidden") || !e.getClientRects().length) continue;
			const style = getComputedStyle(e), a = light(parse(e.ownerSVGElement ? style.fill : style.color)), b = light(behind(e));
			const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
			if (ratio < 4.5) bad.push(ratio.toFixed(2) + ": " + walk.currentNode.textContent.trim().slice(0, 40));
		}
		return bad;
	})()`
	// wide lists what sticks out of a page of the window's width.
	wide = `document.documentElement.scrollWidth <= window.innerWidth ? [] :
		[document.documentElement.scrollWidth + " pixels", ...[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > window.innerWidth + 1).map(e => e.outerHTML.slice(0, 100))].slice(0, 9)`
	// outside lists the texts of drawings that stick out of their box.
	outside = `[...document.querySelectorAll("svg")].flatMap(svg => [...svg.querySelectorAll("text")].filter(t => {
			const a = t.getBoundingClientRect(), b = svg.getBoundingClientRect();
			if (a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1) return true;
			return t.closest("g") && [...t.closest("g").querySelectorAll("rect")].some(r => {
				const c = r.getBoundingClientRect(), y = (a.top + a.bottom) / 2;
				return y > c.top && y < c.bottom && (a.left < c.left || a.right > c.right);
			});
		}).map(t => t.textContent))`
	openAll = `[...document.querySelectorAll("details")].map(d => d.open = true).length`
)

func TestBrowser(t *testing.T) {
	b := open(t, html(t, report.NewPage(running(t))))
	b.none(t, "structure", structure)
	b.none(t, "names", named)
	b.keyboard(t)
	b.do(t, chromedp.Reload())
	for _, c := range []struct {
		name, scheme  string
		width, height int64
	}{{"light", "light", 1280, 900}, {"dark", "dark", 1280, 900}, {"phone", "light", 360, 740}, {"phone-dark", "dark", 360, 740}} {
		b.do(t, scheme(c.scheme), chromedp.EmulateViewport(c.width, c.height))
		b.none(t, c.name+": wider than the window", wide)
		b.none(t, c.name+": too faint", faint)
		b.none(t, c.name+": sticks out", outside)
		b.shoot(t, c.name)
		bright := evaluate[int](t, b, `getComputedStyle(document.body).backgroundColor.match(/\d+/g).reduce((a, b) => a + +b, 0)`)
		if dark := bright < 100; dark != (c.scheme == "dark") || !dark && bright < 700 {
			t.Errorf("%s: the background is of brightness %d", c.name, bright)
		}
	}
	evaluate[int](t, b, openAll)
	for name, width := range map[string]int64{"phone-open": 360, "open": 1280} {
		b.do(t, scheme("light"), chromedp.EmulateViewport(width, 740))
		b.none(t, name+": wider than the window", wide)
		b.none(t, name+": too faint", faint)
		b.shoot(t, name)
	}
	if len(b.messages) > 0 {
		t.Errorf("the console says %q", b.messages)
	}
	for _, r := range b.requests {
		if !strings.HasPrefix(r, "file:") && !strings.HasPrefix(r, "data:") {
			t.Errorf("asks for %s", r)
		}
	}
	if len(b.requests) == 0 {
		t.Error("no request was seen, not even that for the page")
	}
}

// keyboard goes through the page by keyboard alone.
func (b *browser) keyboard(t *testing.T) {
	t.Helper()
	const focused = `(e => e.tagName + " " + e.textContent.trim().slice(0, 60))(document.activeElement)`
	press := func(key string) string {
		b.do(t, chromedp.KeyEvent(key))
		return evaluate[string](t, b, focused)
	}
	reached := map[string]bool{}
	for n := range 300 {
		at := press(kb.Tab)
		if n == 0 && at != "A Skip to the content" {
			t.Errorf("the first that Tab reaches is %q", at)
		}
		reached[at] = true
		if strings.HasPrefix(at, "BODY") {
			break
		}
	}
	all := evaluate[[]string](t, b, `[...document.querySelectorAll("summary, a, [tabindex='0']")].filter(e => e.checkVisibility()).map(e => e.tagName + " " + e.textContent.trim().slice(0, 60))`)
	if len(all) < 20 {
		t.Errorf("only %d elements to reach", len(all))
	}
	for _, e := range all {
		if !reached[e] {
			t.Errorf("Tab does not reach %q", e)
		}
	}
	b.do(t, chromedp.Focus(chromedp.CSS(".skip")))
	press(kb.Enter)
	press(kb.Tab)
	if !evaluate[bool](t, b, `document.activeElement.closest("main") != null`) {
		t.Error("the skip link does not lead into the content")
	}
	b.do(t, chromedp.Focus(chromedp.CSS("details summary")), chromedp.KeyEvent(kb.Enter))
	if !evaluate[bool](t, b, `document.querySelector("details").open`) {
		t.Error("Enter does not open the details")
	}
}
