package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"yizheng.internal/cmd/yizheng/internal/toolcheck"
)

// size is a screen.
type size struct {
	name          string
	width, height int64
}

var (
	phone = size{"phone", 390, 844}
	pc    = size{"pc", 1280, 800}
)

// browser is one tab of a Chromium. What goes wrong in it fails the test at once.
type browser struct {
	t    *testing.T
	ctx  context.Context
	size size
}

// patience is how long a page may take to come to what is waited for. Tests run
// side by side on two cores.
const patience = 40 * time.Second

// newBrowser starts a Chromium of the test's own, with a new profile.
func newBrowser(t *testing.T, s size, flags ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	options := append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(toolcheck.Need(t, "chromium")),
		chromedp.NoFirstRun, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("no-default-browser-check", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("lang", "zh-CN"), chromedp.Flag("accept-lang", "zh-CN"),
		chromedp.Flag("disable-features", "Translate,OptimizationHints,MediaRouter"), chromedp.Flag("no-proxy-server", true),
		chromedp.UserDataDir(t.TempDir()),
	}, flags...)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}), chromedp.WithLogf(func(string, ...any) {}))
	t.Cleanup(func() {
		within, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		_ = chromedp.Cancel(within) // waits until Chromium has gone
		end()
		stop()
	})
	if err := chromedp.Do(ctx); err != nil { // starts it; not under a deadline, which would end it too
		t.Fatalf("starting Chromium: %v", err)
	}
	b := &browser{t, ctx, s}
	b.resize(s)
	return b
}

// tab opens another tab beside the browser's own, with the same cookies.
func (b *browser) tab() *browser {
	b.t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	b.t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatalf("opening a tab: %v", err)
	}
	other := &browser{b.t, ctx, b.size}
	other.resize(b.size)
	return other
}

func (b *browser) resize(s size) {
	b.t.Helper()
	b.do("resize", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s == phone,
		}); err != nil {
			return err
		}
		// A tab behind another one behaves as if it were in front.
		if _, err := cdp.Call(ctx, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: s == phone})
		return err
	}))
}

// do runs actions, or fails the test with what the page shows.
func (b *browser) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.fail("%s: %v", what, err)
	}
}

// eval evaluates an expression in the page, which may be a promise.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.fail("%.300s: %v", expression, err)
	}
	return v
}

// fail ends the test and says what the page shows.
func (b *browser) fail(format string, args ...any) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + '\n' + (document.body ? document.body.innerText : '')`))
	if err != nil {
		text = err.Error()
	}
	b.shoot("failed")
	b.t.Fatalf(format+"\nThe page is %s", append(args, text)...)
}

// open goes to an address.
func (b *browser) open(address string) {
	b.t.Helper()
	b.do("open "+address, chromedp.Navigate(address))
}

// wait waits until an expression is true in whatever page there is then.
func (b *browser) wait(expression string) {
	b.t.Helper()
	if !b.comes(expression, patience) {
		b.fail("%s isn't true after %v", expression, patience)
	}
}

// comes reports whether an expression becomes true within a time.
func (b *browser) comes(expression string, within time.Duration) bool {
	deadline := time.Now().Add(within)
	for {
		ctx, cancel := context.WithDeadline(b.ctx, deadline)
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`!!(`+expression+`)`)) // it fails in the middle of a navigation
		cancel()
		if err == nil && yes {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// waitFor waits until the page has a visible element. On the login's page it goes to the password, if
// that is waited for: what the page shows first is the phone.
func (b *browser) waitFor(selector string) {
	b.t.Helper()
	if selector == "#username" {
		b.wait(`document.readyState === 'complete' && document.querySelector('#username')`)
		if eval[bool](b, `!!document.querySelector('#way-phone:checked')`) {
			b.click("label[for=way-password]")
		}
	}
	b.wait(fmt.Sprintf(`document.readyState === 'complete' && document.querySelector(%q) && document.querySelector(%q).getClientRects().length`, selector, selector))
}

// waitAt waits until the browser is at an address that begins so.
func (b *browser) waitAt(prefix string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`location.href.startsWith(%q) && document.readyState === 'complete'`, prefix))
}

// click clicks an element as a hand does: it must be there and in nobody's shade.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.waitFor(selector)
	b.do("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// follow clicks an element and waits for the page that comes then.
func (b *browser) follow(selector string) {
	b.t.Helper()
	b.waitFor(selector)
	eval[bool](b, `(document.documentElement.setAttribute('data-left', ''), true)`)
	b.click(selector)
	b.wait(`!document.documentElement.hasAttribute('data-left') && document.readyState === 'complete'`)
}

// fill types into a field, in place of what is there.
func (b *browser) fill(selector, text string) {
	b.t.Helper()
	b.waitFor(selector)
	eval[bool](b, fmt.Sprintf(`(document.querySelector(%q).value = '', true)`, selector))
	b.do("fill "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// press presses keys, one after another.
func (b *browser) press(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		b.do("press", chromedp.KeyEvent(k))
	}
}

// tabTo moves the focus by the tabulator key until an element has it.
func (b *browser) tabTo(selector string) {
	b.t.Helper()
	b.waitFor(selector)
	for range 150 {
		if eval[bool](b, fmt.Sprintf(`document.activeElement === document.querySelector(%q)`, selector)) {
			return
		}
		b.press(kb.Tab)
	}
	b.fail("the tabulator key never reaches %s", selector)
}

// text returns what an element shows.
func (b *browser) text(selector string) string {
	b.t.Helper()
	b.waitFor(selector)
	return eval[string](b, fmt.Sprintf(`document.querySelector(%q).innerText`, selector))
}

// says fails the test unless the page shows all of the texts.
func (b *browser) says(texts ...string) {
	b.t.Helper()
	page := b.text("body")
	for _, text := range texts {
		if !strings.Contains(page, text) {
			b.fail("the page doesn't say %q", text)
		}
	}
}

// silent fails the test if the page shows one of the texts.
func (b *browser) silent(texts ...string) {
	b.t.Helper()
	page := b.text("body")
	for _, text := range texts {
		if strings.Contains(page, text) {
			b.fail("the page says %q", text)
		}
	}
}

// back is the browser's back button.
func (b *browser) back() {
	b.t.Helper()
	b.do("back", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		h, err := cdp.Call(ctx, t, page.GetNavigationHistory, cdp.Empty{})
		if err != nil {
			return err
		}
		if h.CurrentIndex == 0 {
			return errors.New("there is nothing to go back to")
		}
		before := h.Entries[h.CurrentIndex-1].ID
		_, err = cdp.Call(ctx, t, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: before})
		return err
	}))
	time.Sleep(300 * time.Millisecond) // a page from the cache fires nothing that could be waited for
}

// at returns where the browser is.
func (b *browser) at() *url.URL {
	b.t.Helper()
	u, err := url.Parse(eval[string](b, `location.href`))
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// cookies returns all of the browser's cookies.
func (b *browser) cookies() []*network.Cookie {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	found, err := chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) ([]*network.Cookie, error) {
		r, err := cdp.Call(ctx, t, storage.GetCookies, storage.GetCookiesParams{})
		return r.Cookies, err
	})
	if err != nil {
		b.fail("looking at the cookies: %v", err)
	}
	return found
}

// shoot saves a picture of the whole page.
func (b *browser) shoot(name string) {
	b.t.Helper()
	data, err := b.picture(true)
	if err != nil {
		b.t.Logf("picture %s: %v", name, err)
		return
	}
	b.save(name, data)
}

// picture takes a picture of the whole page, or of what the screen shows of it.
func (b *browser) picture(whole bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		fromSurface := true
		params := page.CaptureScreenshotParams{FromSurface: &fromSurface}
		if whole {
			metrics, err := cdp.Call(ctx, t, page.GetLayoutMetrics, cdp.Empty{})
			if err != nil {
				return nil, err
			}
			params.CaptureBeyondViewport = &whole
			params.Clip = &page.Viewport{Width: float64(b.size.width), Height: max(metrics.CSSContentSize.Height, float64(b.size.height)), Scale: 1}
		}
		r, err := cdp.Call(ctx, t, page.CaptureScreenshot, params)
		return r.Data, err
	})
}

// save writes a picture into the folder for them.
func (b *browser) save(name string, data []byte) {
	b.t.Helper()
	file := filepath.Join(pictures(b.t), strings.ReplaceAll(b.t.Name(), "/", "-")+"-"+name+"-"+b.size.name+".png")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// pictures returns the folder for screenshots: that of YIZHENG_TEST_PICTURES, or
// the test's own.
func pictures(t *testing.T) string {
	if dir := os.Getenv("YIZHENG_TEST_PICTURES"); dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	return t.ArtifactDir()
}
