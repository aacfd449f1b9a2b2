package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"yizheng.internal/api/rest"
	"yizheng.internal/cmd/internal/servertest"
	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/party"
	"yizheng.internal/signing/journal"
)

// crashes is how often a service is killed: more often by make soak.
func crashes() int {
	if os.Getenv("YIZHENG_SOAK") != "" {
		return 100
	}
	return 20
}

const crashWorkers = 8

// TestCrashSQLite kills the service again and again while it issues and changes
// licenses: whatever it answered is there, once, and what it didn't answer is
// answered when it is asked again.
func TestCrashSQLite(t *testing.T) { t.Parallel(); testCrash(t, "") }

// TestCrashPostgres is [TestCrashSQLite] on PostgreSQL, whose server survives:
// what a killed service had under way there may still come to its end. Licenses are
// issued in groups there, and the kills come in the middle of them.
func TestCrashPostgres(t *testing.T) {
	t.Parallel()
	database := servertest.PostgresURL(t)
	testCrash(t, database)
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var grouped int // transactions that wrote several licenses
	err = conn.QueryRow(t.Context(), `SELECT count(*) FROM (SELECT xmin::text FROM history GROUP BY 1 HAVING count(DISTINCT license) > 1) t`).Scan(&grouped)
	if err != nil || grouped == 0 {
		t.Errorf("%d groups were written: %v", grouped, err)
	}
	t.Logf("%d groups were written", grouped)
}

func testCrash(t *testing.T, database string) {
	first := startServer(t, serverOptions{DatabaseURL: database, Args: []string{"--log-level", "warn"}})
	client := first.setUp(t)
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel() // first, for the workers wait until it or the next server
	l := &load{give: cancel}
	l.now.Store(newEra(first, client))
	workers := make([]*worker, crashWorkers)
	for i := range workers {
		w := &worker{t: t, load: l, name: i, random: rand.New(rand.NewPCG(uint64(i), 1))}
		workers[i] = w
		running.Go(func() { w.work(ctx) })
	}
	for range crashes() {
		e := l.now.Load()
		select {
		case <-e.busy:
		case <-ctx.Done():
			return // a worker has said why
		case <-time.After(readyWithin):
			t.Fatal("no request is answered")
		}
		time.Sleep(20*time.Millisecond + rand.N(180*time.Millisecond)) // to be anywhere in what the workers do
		close(e.over)
		e.kill(t)
		l.now.Store(newEra(startServer(t, first.Options), client))
		close(e.replaced)
	}
	l.stop.Store(true)
	running.Wait()
	if t.Failed() {
		return
	}
	l.now.Load().kill(t) // what was answered last has to be there too
	checkAfterCrash(t, newEra(startServer(t, first.Options), client).client, workers)
}

// era is the time of one server, from its start to its violent end.
type era struct {
	server   *server
	client   *apiClient
	busy     chan struct{} // closed with the first answer
	once     sync.Once     // closes it
	over     chan struct{} // closed before the server is killed
	replaced chan struct{} // closed when there is another server
}

func newEra(s *server, c *apiClient) *era {
	c = c.at(s)
	c.http.Transport = &http.Transport{MaxIdleConnsPerHost: crashWorkers}
	return &era{server: s, client: c, busy: make(chan struct{}), over: make(chan struct{}), replaced: make(chan struct{})}
}

// kill kills the server, which must not have ended before.
func (e *era) kill(t *testing.T) {
	t.Helper()
	e.server.Kill()
	if !e.server.Killed() {
		t.Fatalf("the server had ended by itself: %v\n%s", e.server.err, e.server.Log())
	}
	e.client.http.CloseIdleConnections()
}

// load is what all workers share.
type load struct {
	now  atomic.Pointer[era]
	stop atomic.Bool
	give context.CancelFunc // gives the test up
}

// worker asks for one thing after the other. What was not answered it asks
// again, as it was, of the next server. Its licenses are its own, so that it
// knows what must have become of them.
type worker struct {
	t      *testing.T
	load   *load
	name   int
	random *rand.Rand
	held   []*held
	keys   int // used so far

	repeated int // requests that had to be asked again
	replayed int // of those with a key, how many had been done already
	settled  int // of those without, how many had been done already
}

// held is a license as the answers say it is.
type held struct {
	id       audit.ID
	number   string
	state    license.State // of the newest version
	versions []*made
	changes  map[journal.Action]int
}

// made is a version, with the request that made it and the answer.
type made struct {
	rest.Issued
	state        license.State
	path, key    string
	request, raw []byte
	seen         int64 // the license's revision, of a replacement
	status       int   // of the answer
}

func (w *worker) work(ctx context.Context) {
	for !w.load.stop.Load() {
		err := w.step(ctx)
		if ctx.Err() != nil {
			return // another worker has given up, and said why
		}
		if err != nil {
			w.t.Errorf("worker %d: %v", w.name, err)
			w.load.give()
			return
		}
	}
}

// step issues a license, or changes one.
func (w *worker) step(ctx context.Context) error {
	if len(w.held) == 0 || w.random.IntN(2) == 0 {
		return w.issue(ctx)
	}
	h := w.held[w.random.IntN(len(w.held))]
	chance := w.random.IntN(10)
	switch {
	case h.state == license.Active && chance < 4:
		return w.replace(ctx, h, license.Change)
	case h.state == license.Active && chance < 7:
		return w.change(ctx, h, journal.ActionLicenseSuspend, license.Suspended, suspending())
	case h.state == license.Suspended && chance < 7:
		return w.change(ctx, h, journal.ActionLicenseResume, license.Active, rest.ResumeRequest{Reason: "样例"})
	case h.state == license.Ended && chance < 5:
		return w.replace(ctx, h, license.Reinstated)
	case h.state == license.Ended:
		return w.issue(ctx)
	}
	return w.change(ctx, h, journal.ActionLicenseEnd, license.Ended, ending())
}

func suspending() rest.SuspendRequest {
	return rest.SuspendRequest{Reason: "样例", Document: ending().Document}
}

func ending() rest.EndRequest {
	today := party.DateOf(time.Now())
	return rest.EndRequest{Reason: "样例", Kind: license.Revoked, EffectiveFrom: today,
		Document: license.Document{Number: "样例〔2026〕1号", Date: today, Basis: "样例法第一条"}}
}

// replaceRequest returns a request for the next version of a license.
func replaceRequest(number string, kind license.ReplaceKind) rest.ReplaceRequest {
	q := issueRequest(number)
	return rest.ReplaceRequest{Kind: kind, Reason: "样例", Number: q.Number, Holders: q.Holders,
		ValidFrom: q.ValidFrom, ValidUntil: q.ValidUntil, AreaCode: q.AreaCode, Fields: q.Fields}
}

func (w *worker) issue(ctx context.Context) error {
	h := &held{number: fmt.Sprintf("样字第%d-%d号", w.name, len(w.held)), changes: map[journal.Action]int{}}
	v, err := w.make(ctx, "/v1/licenses", issueRequest(h.number), http.StatusCreated, 0)
	if err != nil {
		return fmt.Errorf("issuing: %w", err)
	}
	if v.Version != 1 {
		return fmt.Errorf("a new license has version %d", v.Version)
	}
	h.id = v.ID
	h.add(v, journal.ActionLicenseIssue)
	w.held = append(w.held, h)
	return nil
}

func (w *worker) replace(ctx context.Context, h *held, kind license.ReplaceKind) error {
	v, err := w.make(ctx, "/v1/licenses/"+string(h.id)+"/replace", replaceRequest(h.number, kind), http.StatusOK, h.revision())
	if err != nil {
		return fmt.Errorf("replacing a license that is %s: %w", h.state, err)
	}
	if v.ID != h.id || v.Version != len(h.versions)+1 {
		return fmt.Errorf("version %d of %s is replaced by version %d of %s", len(h.versions), h.id, v.Version, v.ID)
	}
	if kind != license.Reinstated {
		h.versions[len(h.versions)-1].state = license.Superseded
	}
	h.add(v, journal.ActionLicenseReplace)
	return nil
}

// revision is the license's: every change counts it up.
func (h *held) revision() (n int64) {
	for _, changes := range h.changes {
		n += int64(changes)
	}
	return n
}

func (h *held) add(v *made, a journal.Action) {
	h.versions = append(h.versions, v)
	h.state = v.state
	h.changes[a]++
}

// make asks for a version, under a key of its own.
func (w *worker) make(ctx context.Context, path string, q any, status int, seen int64) (*made, error) {
	w.keys++
	v := &made{state: license.Active, status: status, path: path, seen: seen, key: fmt.Sprintf("worker-%d-%d", w.name, w.keys)}
	var err error
	if v.request, err = json.Marshal(q); err != nil {
		return nil, err
	}
	r, again, err := w.ask(ctx, path, v.key, seen, v.request)
	if err != nil {
		return nil, err
	}
	if replayed := r.header.Get("Idempotency-Replayed") != ""; replayed && !again {
		return nil, fmt.Errorf("a key that was never used has an answer: %v", r)
	} else if replayed {
		w.replayed++
	}
	return v, v.take(r)
}

// take takes the answer to the request that makes the version.
func (m *made) take(r reply) error {
	if r.status != m.status {
		return fmt.Errorf("answered %v", r)
	}
	m.raw = r.body
	return json.Unmarshal(r.body, &m.Issued)
}

// change changes a license's state. Such requests have no key: one that is
// asked again may find that it was done already.
func (w *worker) change(ctx context.Context, h *held, a journal.Action, to license.State, q any) error {
	verb := map[journal.Action]string{journal.ActionLicenseSuspend: "suspend", journal.ActionLicenseResume: "resume", journal.ActionLicenseEnd: "end"}[a]
	done := map[journal.Action]string{journal.ActionLicenseSuspend: "not_active", journal.ActionLicenseResume: "not_suspended", journal.ActionLicenseEnd: "already_ended"}[a]
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	r, again, err := w.ask(ctx, "/v1/licenses/"+string(h.id)+"/"+verb, "", 0, body)
	switch {
	case err != nil:
		return fmt.Errorf("%s of a license that is %s: %w", verb, h.state, err)
	case r.status == http.StatusOK:
	case again && r.status == http.StatusConflict && r.reason() == done:
		w.settled++
	default:
		return fmt.Errorf("%s of a license that is %s: answered %v", verb, h.state, r)
	}
	h.state, h.versions[len(h.versions)-1].state = to, to
	h.changes[a]++
	return nil
}

// ask sends a request until there is an answer. again tells that it took more
// than one server.
func (w *worker) ask(ctx context.Context, path, key string, seen int64, body []byte) (r reply, again bool, err error) {
	for {
		e := w.load.now.Load()
		if r, err = e.client.ask(ctx, "POST", path, key, body, seen); err == nil {
			e.once.Do(func() { close(e.busy) })
			return r, again, nil
		}
		select {
		case <-e.over:
		default:
			return r, again, fmt.Errorf("no answer, though nobody had killed the service: %w\n%s", err, e.server.Log())
		}
		select {
		case <-e.replaced:
		case <-ctx.Done():
			return r, again, ctx.Err()
		}
		again = true
		w.repeated++
	}
}
