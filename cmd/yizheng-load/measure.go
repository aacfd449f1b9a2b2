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
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// command is the command line.
type command struct {
	Scenario    []string      `arg:"" optional:"" help:"What to ask for, one after the other: discovery, jwks, client-credentials, introspection-first, introspection-seen, userinfo, userinfo-claims, refresh, sso, issue. Without any: all of them." placeholder:"SCENARIO"`
	Facts       string        `help:"What the service's demo printed: yizheng demo --json. - reads it from standard input." required:"" placeholder:"FILE"`
	Connections int           `short:"c" help:"How many callers there are, each of whom waits for an answer before the next request." default:"32"`
	For         time.Duration `help:"How long each scenario is measured." default:"10s"`
	Warm        time.Duration `help:"How long it runs before that." default:"2s"`
	PID         []int         `name:"pid" help:"A server's process, whose CPU time is counted, with all below it. Several with commas, or the flag again." placeholder:"PID"`
	Anywhere    bool          `help:"Load a service that isn't on this machine."`
	JSON        bool          `name:"json" help:"Print a line of JSON for each scenario."`
}

// demoFacts are what a demo says of itself, as far as load needs it.
type demoFacts struct {
	Issuer  string        `json:"issuer"`
	Clients []factsClient `json:"clients"`
	People  []person      `json:"people"`
}

type person struct {
	Login    string `json:"login"` // empty: they have no account yet
	Password string `json:"password"`
}

type factsClient struct {
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	Participant  string   `json:"participant"`
	Scopes       []string `json:"scopes"`
	RedirectURIs []string `json:"redirect_uris"`
}

// Help implements kong's HelpProvider.
func (c *command) Help() string {
	return `As many callers as -c says keep a connection each, and send the next request when the answer to the
one before has come. For each scenario load prints the requests a second, how long the median and the
slowest hundredth took, and the CPU time of the servers for each request. It prints that also in
discoveries: how many requests for the discovery document, measured first, take as much. That number
can be compared between machines; the others can't. The processor is named.

	yizheng demo --json > facts.json &
	yizheng-load --facts facts.json --pid $! client-credentials

To measure one core, pin the servers to it, and load to another:

	GOMAXPROCS=1 taskset -c 0 yizheng demo --json > facts.json &
	GOMAXPROCS=1 taskset -c 1 yizheng-load --facts facts.json --pid $!

A request of sso is two: the authorization request of somebody who is logged in, and the
redeeming of its code. All come from one address, and the service limits what an address may ask.
Let the demo trust load as a proxy, with --trusted-proxy 127.0.0.1,::1: load then names an address of
its own for each caller, and for each request of sso. sso, userinfo and refresh need --load-client there.`
}

// run loads the service with one scenario after the other.
func (c *command) run(ctx context.Context, s *streams) error {
	facts, err := c.read(s.in)
	if err != nil {
		return err
	}
	names := c.Scenario
	if len(names) == 0 {
		names = scenarioNames()
	}
	for _, name := range names {
		if scenarios[name] == nil {
			return usage("no scenario %q: there are %s", name, strings.Join(scenarioNames(), ", "))
		}
	}
	if i := slices.Index(names, "discovery"); i > 0 { // the yardstick of the others
		names = slices.Concat(names[i:i+1], names[:i], names[i+1:])
	}
	if c.Connections < 1 || c.For <= 0 || c.Warm < 0 {
		return usage("-c, --for and --warm must be positive")
	}
	address, err := c.target(ctx, facts.Issuer)
	if err != nil {
		return err
	}
	var results []result
	var yardstick float64 // CPU time of a request for the discovery document
	for _, name := range names {
		r, err := c.measure(ctx, s, &target{facts: facts, address: address, callers: c.Connections, during: c.Warm + c.For}, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
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
			fmt.Fprintf(s.out, "%s\n", line)
		}
	}
	if c.JSON {
		return nil
	}
	return printTable(s.out, results)
}

func (c *command) read(in io.Reader) (demoFacts, error) {
	var facts demoFacts
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
		return facts, fmt.Errorf("%s is not what yizheng demo --json prints: %w", c.Facts, err)
	}
	return facts, nil
}

// target returns the address to connect to: on this machine, unless the caller
// said otherwise.
func (c *command) target(ctx context.Context, issuer string) (string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return "", usage("load speaks plain HTTP alone: the issuer must be an http URL, with no TLS before it")
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
		return "", usage("%s is not on this machine. Load another machine with --anywhere, and only one that is yours", u.Hostname())
	}
	for _, a := range addresses {
		address := net.JoinHostPort(a.Unmap().String(), port)
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err == nil {
			return address, conn.Close()
		}
	}
	return "", fmt.Errorf("nothing listens at %s", u.Host)
}

// result is what one scenario measured.
type result struct {
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
func (c *command) measure(ctx context.Context, s *streams, t *target, name string) (result, error) {
	bar := s.progress(name)
	defer func() { _ = bar.Finish() }() // it only draws
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	calls, err := scenarios[name](ctx, t)
	if err != nil {
		return result{}, err
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
	cancel(errors.Join(err, errOver))
	wg.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, errOver) {
		return result{}, cause
	}
	r := summary(name, n, elapsed, after[0]-cpu[0], slices.Concat(took...))
	for i := range c.PID {
		r.CPUs = append(r.CPUs, (after[i+1]-cpu[i+1]).Seconds()*1e6/float64(max(n, 1)))
	}
	return r, err
}

var errOver = errors.New("the time is over")

func summary(name string, n int64, elapsed, cpu time.Duration, took []time.Duration) result {
	r := result{Scenario: name, Requests: n, Rate: float64(n) / elapsed.Seconds()}
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

func printTable(out io.Writer, results []result) error {
	fmt.Fprintf(out, "processor: %s\n", processor())
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "scenario\trequests/s\tp50 ms\tp99 ms\tCPU µs/request\trequests/s of a core\tdiscoveries")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%.0f\t%.2f\t%.2f\t%.1f\t%.0f\t%.1f\n", r.Scenario, r.Rate, r.P50, r.P99, r.CPU, r.PerCore, r.Discoveries)
	}
	return t.Flush()
}

// progress returns a counter on standard error, where that is a terminal.
func (s *streams) progress(what string) *progressbar.ProgressBar {
	f, ok := s.err.(*os.File)
	return progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(s.err), progressbar.OptionSetVisibility(ok && term.IsTerminal(int(f.Fd()))),
		progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
}
