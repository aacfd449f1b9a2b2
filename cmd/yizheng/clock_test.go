package main_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/ncruces/go-sqlite3"

	"yizheng.internal/cmd/internal/servertest"
)

// clockWatch looks at what a server says of its clock.
type clockWatch struct {
	*server
	t *testing.T
}

// wait waits until the server has compared its clock and a condition holds, and
// returns the metrics then.
func (w clockWatch) wait(what string, holds func(m map[string]float64) bool) map[string]float64 {
	w.t.Helper()
	var m map[string]float64
	for range 400 { // 15 s pass between two comparisons
		if m = metricsOf(w.t, strings.TrimPrefix(w.AdminURL, "http://")); holds(m) {
			return m
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatalf("%s: ahead %v, unused %v, stopped %v\n%s", what, m[clockAhead], m[unusedSeconds], m["yizheng_purge_stopped"], w.Log())
	return nil
}

// doctor returns what doctor says in a language.
func (w clockWatch) doctor(lang string) string {
	w.t.Helper()
	out, errs, code := runProgram(w.t, "", append([]string{"doctor", "--lang", lang}, w.Options.settings()...)...)
	if code > 1 {
		w.t.Fatalf("doctor: exit code %d\n%s", code, errs)
	}
	return out
}

// failures returns how many errors the log has. What a comparison found is in the metrics
// a moment before it is in the log.
func (w clockWatch) failures() int { return strings.Count(w.Log(), `"level":"ERROR"`) }

// compared waits until the server has compared a clock that it doubts once more. For 15 s
// from then on it looks at no stored time, so one can be set: between its reading and its
// writing it would be lost.
func (w clockWatch) compared() {
	w.t.Helper()
	before := steady(w.t, w.Options)
	for range 400 {
		if steady(w.t, w.Options) > before {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatalf("it compared no clock:\n%s", w.Log())
}

const (
	clockAhead    = "yizheng_clock_ahead_seconds"
	unusedSeconds = "yizheng_database_unused_seconds"
)

func near(got float64, want time.Duration) bool { return math.Abs(got-want.Seconds()) < 180 }

// On SQLite nobody is told that the clock is wrong because the service was stopped
// for two hours, and nothing is purged; but one that is behind, or jumps while the
// service runs, is. The stored time is set here, for a test can't set the machine's.
func TestClockAfterAPause(t *testing.T) {
	t.Parallel()
	w := clockWatch{startServer(t, serverOptions{}), t}
	w.wait("a first start", func(m map[string]float64) bool { return near(m[clockAhead], 0) && m["yizheng_purge_stopped"] == 0 })
	if clockAlert(t, metricsOf(t, strings.TrimPrefix(w.AdminURL, "http://"))) {
		t.Error("the alert fires at a first start")
	}
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	setMark(t, w.Options, -2*time.Hour)
	if out := w.doctor("en"); !strings.Contains(out, "the database was not used for 2h") || strings.Contains(out, "set both clocks") {
		t.Errorf("doctor, after the pause:\n%s", out)
	}

	w.server = startServer(t, w.Options)
	m := w.wait("after the pause", func(m map[string]float64) bool {
		return near(m[unusedSeconds], 2*time.Hour) && strings.Contains(w.Log(), "the database was not used for a while")
	})
	if !math.IsNaN(m[clockAhead]) || m["yizheng_purge_stopped"] != 1 || clockAlert(t, m) {
		t.Errorf("after the pause: ahead %v, stopped %v, alert %t", m[clockAhead], m["yizheng_purge_stopped"], clockAlert(t, m))
	}
	if out := w.doctor("en"); !strings.Contains(out, "the database was not used for 2h") || !strings.Contains(out, "nothing is purged until "+time.Now().UTC().Format("2006-")) {
		t.Errorf("doctor, after the pause:\n%s", out)
	}
	if out := w.doctor("zh"); !strings.Contains(out, "数据库有 2h") || !strings.Contains(out, "未被使用") || strings.Contains(out, "校准两边的时钟") {
		t.Errorf("doctor in Chinese, after the pause:\n%s", out)
	}
	w.compared() // once more
	if n := strings.Count(w.Log(), "the database was not used for a while"); n != 1 || strings.Contains(w.Log(), "differs") {
		t.Errorf("the log says it %d times:\n%s", n, w.Log())
	}
	setMark(t, w.Options, 0)
	w.wait("believed", func(m map[string]float64) bool { return m[unusedSeconds] == 0 && near(m[clockAhead], 0) })
	wrongClock(w)
	if n := strings.Count(w.Log(), "the database was not used for a while"); n != 1 || w.failures() != 2 {
		t.Errorf("the log says %d times that it was not used:\n%s", n, w.Log())
	}
}

// wrongClock has the clock of a service behind, and then jump.
func wrongClock(w clockWatch) {
	w.t.Helper()
	setMark(w.t, w.Options, time.Hour)
	m := w.wait("behind", func(m map[string]float64) bool { return near(m[clockAhead], -time.Hour) && w.failures() > 0 })
	if !clockAlert(w.t, m) || m["yizheng_purge_stopped"] != 1 || w.failures() != 1 {
		w.t.Errorf("behind: alert %t, stopped %v\n%s", clockAlert(w.t, m), m["yizheng_purge_stopped"], w.Log())
	}
	if out := w.doctor("en"); !strings.Contains(out, "behind the last time that the database was used") {
		w.t.Errorf("doctor, behind:\n%s", out)
	}

	setMark(w.t, w.Options, 0)
	w.wait("right again", func(m map[string]float64) bool { return near(m[clockAhead], 0) })
	setMark(w.t, w.Options, -2*time.Hour)
	m = w.wait("a jump", func(m map[string]float64) bool { return near(m[clockAhead], 2*time.Hour) && w.failures() > 1 })
	if !clockAlert(w.t, m) || m["yizheng_purge_stopped"] != 1 || m[unusedSeconds] != 0 {
		w.t.Errorf("a jump: alert %t, stopped %v, unused %v", clockAlert(w.t, m), m["yizheng_purge_stopped"], m[unusedSeconds])
	}
	for lang, says := range map[string]string{"en": "clock jumped ahead by 2h", "zh": "向前跳变了 2h"} {
		if out := w.doctor(lang); !strings.Contains(out, says) {
			w.t.Errorf("doctor, after a jump:\n%s", out)
		}
	}
}

// PostgreSQL's clock goes on while nobody uses it: there is no pause.
func TestNoPauseOnPostgres(t *testing.T) {
	t.Parallel()
	w := clockWatch{startServer(t, serverOptions{DatabaseURL: servertest.PostgresURL(t)}), t}
	m := w.wait("compared", func(m map[string]float64) bool { return near(m[clockAhead], 0) })
	if m[unusedSeconds] != 0 || m["yizheng_purge_stopped"] != 0 || clockAlert(t, m) {
		t.Errorf("unused %v, stopped %v", m[unusedSeconds], m["yizheng_purge_stopped"])
	}
	if out := w.doctor("en"); !strings.Contains(out, "this machine's and the database's agree") {
		t.Errorf("doctor:\n%s", out)
	}
}

// setMark sets the newest time that a SQLite database believed, as far from now.
func setMark(t *testing.T, o serverOptions, from time.Duration) {
	t.Helper()
	c := openDatabase(t, o)
	defer c.Close()
	if err := c.Exec(fmt.Sprintf("UPDATE clock SET mark = %d", time.Now().Add(from).UnixMicro())); err != nil || c.Changes() != 1 {
		t.Fatalf("setting the time: %v, %d rows", err, c.Changes())
	}
}

// steady returns for how many microseconds a doubted clock has gone on steadily.
func steady(t *testing.T, o serverOptions) int64 {
	t.Helper()
	c := openDatabase(t, o)
	defer c.Close()
	s, _, err := c.Prepare("SELECT steady FROM clock")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Step() {
		t.Fatalf("reading the clock: %v", s.Err())
	}
	return s.ColumnInt64(0)
}

// openDatabase opens a server's SQLite database beside it.
func openDatabase(t *testing.T, o serverOptions) *sqlite3.Conn {
	t.Helper()
	c, err := sqlite3.OpenContext(t.Context(), "file:"+filepath.Join(o.Data, "yizheng.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// beyond is the one kind of expression that the rule of clocks has.
var beyond = regexp.MustCompile(`^abs\((yizheng_[a-z_]+)\) > ([0-9]+)$`)

// clockAlert reports whether the rule YizhengClock of deploy/alerts.yaml would fire,
// if the metrics stayed as they are.
func clockAlert(t *testing.T, metrics map[string]float64) bool {
	t.Helper()
	text, err := os.ReadFile("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert string `yaml:"alert"`
				Expr  string `yaml:"expr"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert != "YizhengClock" {
				continue
			}
			of := beyond.FindStringSubmatch(r.Expr)
			if of == nil {
				t.Fatalf("the test doesn't understand %q", r.Expr)
			}
			limit, err := strconv.ParseFloat(of[2], 64)
			value, there := metrics[of[1]]
			return err == nil && there && math.Abs(value) > limit
		}
	}
	t.Fatal("there is no rule YizhengClock")
	return false
}
