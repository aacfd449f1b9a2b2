package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
)

// loadCmd puts a service under load and measures it. It is for who develops or
// sizes the service, so the list of commands doesn't name it.
type loadCmd struct {
	Scenario    []string      `arg:"" optional:"" help:"What to ask for, one after the other: discovery, jwks, client-credentials, introspection-first, introspection-seen, userinfo, userinfo-claims, refresh, sso, issue. Without any: all of them." placeholder:"SCENARIO"`
	Facts       string        `help:"What the service's demo printed: yizheng demo --json. - reads it from standard input." required:"" placeholder:"FILE"`
	Connections int           `short:"c" help:"How many callers there are, each of whom waits for an answer before the next request." default:"32"`
	For         time.Duration `help:"How long each scenario is measured." default:"10s"`
	Warm        time.Duration `help:"How long it runs before that." default:"2s"`
	PID         []int         `name:"pid" help:"A server's process, whose CPU time is counted, with all below it. Several with commas, or the flag again." placeholder:"PID"`
	Anywhere    bool          `help:"Load a service that isn't on this machine."`
	JSON        bool          `name:"json" help:"Print a line of JSON for each scenario."`
}

// loadFacts are what a demo says of itself, as far as load needs it.
type loadFacts struct {
	Issuer  string        `json:"issuer"`
	Clients []factsClient `json:"clients"`
	People  []struct {
		Login    string `json:"login"`
		Password string `json:"password"`
	} `json:"people"`
}

type factsClient struct {
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	Participant  string   `json:"participant"`
	Scopes       []string `json:"scopes"`
	RedirectURIs []string `json:"redirect_uris"`
}

// Help implements kong's HelpProvider.
func (c *loadCmd) Help() string {
	return `As many callers as -c says keep a connection each, and send the next request when the answer to the
one before has come. For each scenario load prints the requests a second, how long the median and the
slowest hundredth took, and the CPU time of the servers for each request. It prints that also in
discoveries: how many requests for the discovery document, measured first, take as much. That number
can be compared between machines; the others can't. The processor is named.

	yizheng demo --json > facts.json &
	yizheng load --facts facts.json --pid $! client-credentials

To measure one core, pin the servers to it, and load to another:

	GOMAXPROCS=1 taskset -c 0 yizheng demo --json > facts.json &
	GOMAXPROCS=1 taskset -c 1 yizheng load --facts facts.json --pid $!

A request of sso is two: the authorization request of somebody who is logged in, and the
redeeming of its code. All come from one address, and the service limits what an address may ask.
Let the demo trust load as a proxy, with --trusted-proxy 127.0.0.1,::1: load then names an address of
its own for each caller, and for each request of sso. sso, userinfo and refresh need --load-client there.`
}

// Run loads the service with one scenario after the other.
func (c *loadCmd) Run(p *process) error {
	facts, err := c.read(p)
	if err != nil {
		return err
	}
	names := c.Scenario
	if len(names) == 0 {
		names = loadNames()
	}
	for _, name := range names {
		if loadScenarios[name] == nil {
			return usage("load.no_scenario", name, strings.Join(loadNames(), ", "))
		}
	}
	if i := slices.Index(names, "discovery"); i > 0 { // the yardstick of the others
		names = slices.Concat(names[i:i+1], names[:i], names[i+1:])
	}
	if c.Connections < 1 || c.For <= 0 || c.Warm < 0 {
		return usage("load.positive")
	}
	target, err := c.target(p.ctx, facts.Issuer)
	if err != nil {
		return err
	}
	var results []loadResult
	var yardstick float64 // CPU time of a request for the discovery document
	for _, name := range names {
		r, err := c.measure(p, &loadTarget{facts: facts, address: target, callers: c.Connections, during: c.Warm + c.For}, name)
		if err != nil {
			return refuse("usage.of", name, err)
		}
		if name == "discovery" {
			yardstick = r.CPU
		}
		if yardstick > 0 {
			r.Discoveries = r.CPU / yardstick
		}
		r.Processor = processor()
		if results = append(results, r); c.JSON {
			line, err := json.Marshal(r)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.out, "%s\n", line)
		}
	}
	if c.JSON {
		return nil
	}
	return printLoad(p, results)
}

func (c *loadCmd) read(p *process) (loadFacts, error) {
	var facts loadFacts
	in := p.in
	if c.Facts != "-" {
		f, err := os.Open(c.Facts)
		if err != nil {
			return facts, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return facts, err
	}
	if err := json.Unmarshal(text, &facts); err != nil {
		return facts, refuse("load.facts", c.Facts, err)
	}
	return facts, nil
}

// target returns the address to connect to: on this machine, unless the caller
// said otherwise.
func (c *loadCmd) target(ctx context.Context, issuer string) (string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return "", usage("load.plain")
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return "", err
	}
	away := slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !a.Unmap().IsLoopback() })
	if away && !c.Anywhere {
		return "", usage("load.elsewhere", u.Hostname())
	}
	for _, a := range addresses {
		address := net.JoinHostPort(a.Unmap().String(), port)
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err == nil {
			return address, conn.Close()
		}
	}
	return "", refuse("load.nobody", u.Host)
}

// loadResult is what one scenario measured.
type loadResult struct {
	Scenario string  `json:"scenario"`
	Requests int64   `json:"requests"`
	Rate     float64 `json:"requests_per_second"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	CPU      float64 `json:"cpu_us_per_request"` // of all servers; 0: not counted
	// CPUs are the parts of each --pid in CPU, in their order.
	CPUs    []float64 `json:"cpu_us_per_request_of_each"`
	PerCore float64   `json:"requests_per_core_second"`
	// Discoveries is CPU in requests for the discovery document, as they were
	// measured before in the same run; 0: they weren't.
	Discoveries float64 `json:"discoveries_per_request"`
	Processor   string  `json:"processor"`
}

// processor says which one this machine has, as Linux names it.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return runtime.GOARCH
}

// measure runs one scenario: its preparation, the warming up, and what counts.
func (c *loadCmd) measure(p *process, t *loadTarget, name string) (loadResult, error) {
	bar := p.progress(name)
	defer func() { _ = bar.Finish() }() // it only draws
	ctx, cancel := context.WithCancelCause(p.ctx)
	defer cancel(nil)
	calls, err := loadScenarios[name](ctx, t)
	if err != nil {
		return loadResult{}, err
	}
	var done atomic.Int64
	var counting atomic.Bool
	took := make([][]time.Duration, len(calls))
	var wg sync.WaitGroup
	for i, call := range calls {
		wg.Go(func() {
			for ctx.Err() == nil {
				begin := time.Now()
				if err := call(); err != nil {
					cancel(err)
					return
				}
				if counting.Load() {
					took[i] = append(took[i], time.Since(begin))
					done.Add(1)
				}
			}
		})
	}
	pause := func(d time.Duration) {
		for end := time.Now().Add(d); ctx.Err() == nil && time.Now().Before(end); {
			time.Sleep(min(time.Until(end), 200*time.Millisecond))
			_ = bar.Set64(done.Load())
		}
	}
	pause(c.Warm)
	cpu, err := cpuTimes(c.PID)
	if err != nil {
		cancel(err)
	}
	begin := time.Now()
	counting.Store(true)
	pause(c.For)
	n, elapsed := done.Load(), time.Since(begin)
	after, err := cpuTimes(c.PID)
	cancel(errors.Join(err, errLoadOver))
	wg.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, errLoadOver) {
		return loadResult{}, cause
	}
	r := summary(name, n, elapsed, after[0]-cpu[0], slices.Concat(took...))
	for i := range c.PID {
		r.CPUs = append(r.CPUs, (after[i+1]-cpu[i+1]).Seconds()*1e6/float64(max(n, 1)))
	}
	return r, err
}

var errLoadOver = errors.New("the time is over")

func summary(name string, n int64, elapsed, cpu time.Duration, took []time.Duration) loadResult {
	r := loadResult{Scenario: name, Requests: n, Rate: float64(n) / elapsed.Seconds()}
	slices.Sort(took)
	at := func(share float64) float64 {
		if len(took) == 0 {
			return 0
		}
		return took[int(share*float64(len(took)-1))].Seconds() * 1000
	}
	r.P50, r.P99 = at(0.50), at(0.99)
	if cpu > 0 && n > 0 {
		r.CPU = cpu.Seconds() * 1e6 / float64(n)
		r.PerCore = 1e6 / r.CPU
	}
	return r
}

func printLoad(p *process, results []loadResult) error {
	p.print("load.processor", processor())
	t := p.listing(false, "scenario", "rate", "p50", "p99", "cpu", "per_core", "discoveries")
	number := func(digits int, n float64) string { return strconv.FormatFloat(n, 'f', digits, 64) }
	for _, r := range results {
		err := t.row(r.Scenario, number(0, r.Rate), number(2, r.P50), number(2, r.P99), number(1, r.CPU), number(0, r.PerCore), number(1, r.Discoveries))
		if err != nil {
			return err
		}
	}
	return t.Flush()
}
