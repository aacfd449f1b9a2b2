package postgres

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"yizheng.internal/license"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/grants"
	"yizheng.internal/storage/postgres/identities"
	"yizheng.internal/storage/postgres/ledger"
	"yizheng.internal/storage/postgres/licenses"
	"yizheng.internal/storage/postgres/provider"
)

// planned is how many licenses the plans are made for. With fewer, PostgreSQL
// would rightly read whole tables.
const planned = 12_000

// fill stores licenses as the plans see them: each with a version, two events, an
// identifier, a number, a holder with three licenses, a request, a status entry. There
// are more licenses, for their rows are short: a partition of few pages is rightly
// read whole for three of its rows.
var fill = []string{
	`INSERT INTO licenses SELECT 'license' || n, 1, 'type' || n % 20, 'authority' || n % 50, 1, 'active',
		'2026-01-01Z'::timestamptz + n * interval '1 minute', '2026-01-01Z' FROM generate_series(1, $1::integer * 5 / 2) n`,
	`INSERT INTO license_versions SELECT 'license' || n, 1, 'active', 1, 'authority', 'A', '2026-01-01', NULL, n % 3 + 1, n,
		'2026-01-01Z', repeat('x', 900)::bytea, repeat('x', 3000)::bytea, 'x', NULL FROM generate_series(1, $1::integer) n`,
	`INSERT INTO history SELECT n, 'event' || n, '2026-01-01Z', 'license.read', '', '', '', 'license' || (n + 1) / 2, 1, 'ok', 'x',
		sha256('x') FROM generate_series(1, 2 * $1::integer) n`,
	`INSERT INTO identifiers SELECT sha256(n::text::bytea), 1, kind, 'license' || n, 1
		FROM generate_series(1, $1::integer) n, unnest('{identifier,verification}'::text[]) kind`,
	`INSERT INTO numbers SELECT sha256(n::text::bytea), 1, 'license' || n, true FROM generate_series(1, $1::integer) n`,
	`INSERT INTO holdings SELECT sha256((n / 3)::text::bytea), 1, 'license' || n FROM generate_series(1, $1::integer) n`,
	`INSERT INTO requests SELECT sha256(n::text::bytea), 1, 'x', 1, 'license' || n, 1, 'active', '2026-01-01Z'
		FROM generate_series(1, $1::integer) n`,
	`INSERT INTO status_lists SELECT list, $1::integer / 3, '2026-01-01Z' FROM generate_series(1, 3) list`,
	`INSERT INTO status_revisions SELECT list, 1, $1 FROM generate_series(1, 3) list`,
	`INSERT INTO grants SELECT 'grant' || n, 1, 'active', 'client', 'item', 'consent', false, '2026-01-01Z'::timestamptz + n * interval '1 minute',
		'2026-01-01Z', repeat('x', 600)::bytea, NULL FROM generate_series(1, $1::integer) n`,
	`INSERT INTO grant_parties SELECT sha256((n / 3)::text::bytea), 1, '2026-01-01Z'::timestamptz + n * interval '1 minute', 'grant' || n
		FROM generate_series(1, $1::integer) n`,
	`INSERT INTO use_codes SELECT 'grant' || n, sha256(n::text::bytea), 'license' || n, 1, 1, '2026-01-01Z', NULL FROM generate_series(1, $1::integer) n`,
	`INSERT INTO access_records SELECT n, 'access' || n, date_trunc('month', now()) + n * interval '2 minutes', 'grant' || n, 'license' || n, 1,
		'client', 'participant', 'item', 'consent', 'online', 'ok', 'immediate', repeat('x', 200)::bytea FROM generate_series(1, $1::integer) n`,
	`INSERT INTO access_parties SELECT sha256((n / 3)::text::bytea), 1, n, date_trunc('month', now()) + n * interval '2 minutes'
		FROM generate_series(1, $1::integer) n`,
	`INSERT INTO use_requests SELECT 'grant' || n, sha256(n::text::bytea), 'request', n, date_trunc('month', now()) + n * interval '2 minutes'
		FROM generate_series(1, $1::integer) n`,
	`INSERT INTO parties SELECT 'party' || n, 'person', 1, repeat('x', 300)::bytea, '2026-01-01Z', '2026-01-01Z' FROM generate_series(1, $1::integer) n`,
	`INSERT INTO party_codes SELECT sha256(n::text::bytea), 1, 'party' || n FROM generate_series(1, $1::integer) n`,
	`INSERT INTO accounts SELECT 'account' || n, 'party' || n, false, 1, repeat('x', 500)::bytea, '2026-01-01Z', '2026-01-01Z'
		FROM generate_series(1, $1::integer) n`,
	`INSERT INTO account_parties SELECT 'party' || n, 'account' || n FROM generate_series(1, $1::integer) n`,
	`INSERT INTO account_logins SELECT sha256(n::text::bytea), 1, 'account' || n FROM generate_series(1, $1::integer) n`,
	`INSERT INTO sessions SELECT 'session' || n, sha256(n::text::bytea), 1, '2026-01-01Z'::timestamptz + n * interval '1 minute', '2026-01-01Z',
		'2026-01-01Z'::timestamptz + n * interval '5 minutes', NULL, repeat('x', 400)::bytea FROM generate_series(1, $1::integer) n`,
	`INSERT INTO session_cookies SELECT sha256(n::text::bytea), 'session' || n FROM generate_series(1, $1::integer) n`,
	`INSERT INTO session_parties SELECT sha256((n / 3)::text::bytea), 1, '2026-01-01Z'::timestamptz + n * interval '1 minute', 'session' || n
		FROM generate_series(1, $1::integer) n`,
	`INSERT INTO families SELECT 'family' || n, 'client', 'session' || n, 1, 1, NULL, '2026-01-01Z'::timestamptz + n * interval '1 minute',
		'2026-01-01Z'::timestamptz + n * interval '5 minutes', NULL, '', repeat('x', 600)::bytea FROM generate_series(1, $1::integer) n`,
	`INSERT INTO family_parties SELECT sha256((n / 3)::text::bytea), 1, '2026-01-01Z'::timestamptz + n * interval '1 minute', 'family' || n
		FROM generate_series(1, $1::integer) n`,
	`INSERT INTO spent SELECT sha256(n::text::bytea), '2026-01-01Z'::timestamptz + n * interval '5 minutes', 'family' || n
		FROM generate_series(1, $1::integer) n`,
	`INSERT INTO registers SELECT kind, rtrim(kind, 's') || n, repeat('x', 25)::bytea FROM generate_series(1, $1::integer) n,
		unnest('{licenses,grants,parties,accounts,sessions,families}'::text[]) kind`,
	`INSERT INTO status_entries SELECT n % 3 + 1, n, (n % 60 = 2)::integer FROM generate_series(1, $1::integer) n`,
}

// TestPlans checks, with the planner's default settings, that each hot query
// reads one partition of each of its tables, by an index: when it is planned for
// its values, and by the plan for any values that PostgreSQL may come to prefer.
func TestPlans(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, sql := range fill {
		if _, err := conn.Exec(t.Context(), sql, planned); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if _, err := conn.Exec(t.Context(), "VACUUM ANALYZE"); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("77"))
	for _, q := range []struct {
		name string
		sql  string
		args []any
		rows int
		want map[string]int // partitions read, by table
	}{
		{"Load", licenses.LoadLicense, []any{"license77", 0}, 1, map[string]int{"licenses": 1, "license_versions": 1}},
		{"LoadVersion", licenses.LoadLicense, []any{"license77", 1}, 1, map[string]int{"licenses": 1, "license_versions": 1}},
		{"Locate", licenses.Locate, []any{1, sum[:], "identifier"}, 1, map[string]int{"identifiers": 1}},
		{"LoadRequest", licenses.LoadRequest, []any{1, sum[:]}, 1, map[string]int{"requests": 1}},
		{"LoadStatus", licenses.LoadStatus, []any{3, 77}, 1, map[string]int{"status_entries": 1}},
		{"LoadList", licenses.LoadList, []any{3, -1}, planned / 60, map[string]int{"status_entries": 1, "status_lists": 1, "status_revisions": 1}},
		// A list is asked for changes every second: of one without any nothing is read.
		{"LoadListUnchanged", licenses.LoadList, []any{3, planned}, 1, map[string]int{"status_lists": 1, "status_revisions": 1}},
		{"History", ledger.ListOf(journal.License), []any{0, 50, "license77"}, 2, map[string]int{"history": 1}},
		{"ByIdentifier", licenses.ByIdentifier, []any{1, sum[:], "identifier"}, 1, map[string]int{"identifiers": 1}},
		{"ByNumber", licenses.ByNumber, []any{1, sum[:]}, 1, map[string]int{"numbers": 1}},
		{"LoadGrant", grants.LoadGrant, []any{"grant77"}, 1, map[string]int{"grants": 1}},
		{"GrantCodes", grants.GrantCodes, []any{"grant77"}, 1, map[string]int{"use_codes": 1}},
		{"ListGrants", grants.GrantsFirst, []any{1, sum[:], 10}, 3, map[string]int{"grant_parties": 1}},
		{"ListGrantsAfter", grants.GrantsAfter, []any{1, sum[:], 10, "2027-01-01Z", "x"}, 3, map[string]int{"grant_parties": 1}},
		{"LoadUse", grants.LoadUse, []any{"grant77", sum[:]}, 1, map[string]int{"use_codes": 1, "grants": 1, "use_requests": 1}},
		{"UsedLicense", grants.UsedLicense, []any{"grant77", sum[:]}, 1, map[string]int{"use_codes": 1, "licenses": 1, "license_versions": 1}},
		{"EarlierUse", grants.EarlierUse, []any{"grant77", sum[:], "request"}, 1, map[string]int{"use_requests": 1, "access_records": 1}},
		{"AccessOf", grants.AccessOf, []any{1, sum[:], 1 << 40, 10}, 3, map[string]int{"access_parties": 1}},
		{"LoadParty", identities.LoadParty, []any{"party77"}, 1, map[string]int{"parties": 1}},
		{"FindParty", identities.FindParty, []any{1, sum[:]}, 1, map[string]int{"parties": 1, "party_codes": 1}},
		{"LoadAccount", identities.LoadAccount, []any{"account77"}, 1, map[string]int{"accounts": 1}},
		{"FindAccount", identities.FindAccount, []any{1, sum[:]}, 1, map[string]int{"accounts": 1, "account_logins": 1}},
		{"LoadSession", provider.LoadSession, []any{"session77"}, 1, map[string]int{"sessions": 1}},
		{"FindSession", provider.FindSession, []any{sum[:]}, 1, map[string]int{"sessions": 1, "session_cookies": 1}},
		{"ListSessions", provider.SessionsOf, []any{1, sum[:], "2026-01-01Z", 10}, 3, map[string]int{"sessions": 3, "session_parties": 1}},
		{"LoadFamily", provider.LoadFamily, []any{"family77"}, 1, map[string]int{"families": 1}},
		{"ListFamilies", provider.FamiliesOf, []any{1, sum[:], "2026-01-01Z", 10}, 3, map[string]int{"families": 3, "family_parties": 1}},
		{"IsSpent", provider.IsSpent, []any{sum[:]}, 1, map[string]int{"spent": 1}},
		{"DropCookie", provider.DropCookie, []any{"session78", 1, sum[:]}, 0, map[string]int{"sessions": 1, "session_cookies": 1}},
		{"UpdateSession", provider.UpdateSession, []any{"session77", 1, sum[:], "2026-01-01Z", "2027-01-01Z", "2026-01-01Z", sum[:], sum[:], sum[:]}, 0,
			map[string]int{"sessions": 1}},
		{"UpdateFamily", provider.UpdateFamily, []any{"family77", 1, "session77", 2, "2026-01-01Z", "2027-01-01Z", "2026-01-01Z", "holder", sum[:], sum[:], sum[:]}, 0,
			map[string]int{"families": 1}},
		{"FamilyOf", provider.FamilyOf, []any{sum[:]}, 1, map[string]int{"spent": 1}},
		{"ByHolder", licenses.ByHolder, []any{1, sum[:]}, 3, map[string]int{"holdings": 1}},
	} {
		for _, mode := range []string{"force_custom_plan", "force_generic_plan", "auto"} {
			t.Run(q.name+"/"+mode, func(t *testing.T) {
				if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = "+mode); err != nil {
					t.Fatal(err)
				}
				plan := explainPlan(t, conn, q.sql, q.args)
				readsOnly(t, plan, q.want)
				if plan.Rows != float64(q.rows) {
					t.Errorf("the plan returned %v rows, want %d: it proves nothing", plan.Rows, q.rows)
				}
			})
		}
	}
	t.Run("UpdateFamilies", func(t *testing.T) {
		// Planned for thirty families, PostgreSQL rightly reads tables of this size whole;
		// sessions of ours plan for any.
		if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = force_generic_plan"); err != nil {
			t.Fatal(err)
		}
		readsOnly(t, explainPlan(t, conn, provider.UpdateFamilies, thirty()), map[string]int{"families": provider.HashPartitions})
	})
	t.Run("SearchByID", func(t *testing.T) {
		// What a holder's three licenses lead to: they lie in three partitions at most.
		sql, args := licenses.SearchSQL(license.Query{Limit: 10}, []string{"license231", "license232", "license233"})
		plan := scanPlan(t, conn.QueryRow(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) "+sql,
			append([]any{pgx.QueryExecModeCacheDescribe}, args...)...))
		readsOnly(t, plan, map[string]int{"licenses": 3})
		if plan.Rows != 3 {
			t.Errorf("the plan returned %v rows, want 3: it proves nothing", plan.Rows)
		}
	})
}

// thirty are the parameters that rotate thirty families, of a revision that they
// don't have.
func thirty() []any {
	rs := make([]provider.Rotation, 30)
	for i := range rs {
		rs[i].Family = rotated(token.FamilyRecord{ID: fmt.Sprint("family", 77+i), Revision: 7})
	}
	columns := provider.RotationColumns(rs)
	for i, c := range columns {
		array, err := pgtype.NewMap().Encode(arrayOf(c), pgtype.TextFormatCode, c, nil)
		if err != nil {
			panic(err)
		}
		columns[i] = string(array)
	}
	return columns
}

func arrayOf(column any) uint32 {
	switch column.(type) {
	case []string:
		return pgtype.TextArrayOID
	case []int64:
		return pgtype.Int8ArrayOID
	case [][]byte:
		return pgtype.ByteaArrayOID
	}
	return pgtype.TimestamptzArrayOID
}

// TestPurgePlans checks that a purge finds the few rows that are over by indexes,
// and what belongs to them too.
func TestPurgePlans(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), newDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, sql := range fill {
		table, rows := strings.Fields(sql)[2], planned
		switch table {
		case "sessions", "families", "registers":
		case "session_cookies", "session_parties", "family_parties", "spent":
			rows = 10 * planned // of these short rows a page has many, and several are sought
		default:
			continue
		}
		if _, err := conn.Exec(t.Context(), sql, rows); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if _, err := conn.Exec(t.Context(), "VACUUM ANALYZE"); err != nil {
		t.Fatal(err)
	}
	const before = "2026-01-01 05:00Z"
	for i, want := range []map[string]int{
		{"spent": 1}, {"sessions": 1}, {"families": 1},
	} {
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			t.Run(fmt.Sprint(slices.Sorted(maps.Keys(want)), mode), func(t *testing.T) {
				if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = "+mode+"; BEGIN"); err != nil {
					t.Fatal(err)
				}
				over := 0
				for p := range provider.HashPartitions {
					var gone int
					var cookies [][]byte
					readsOnly(t, explainPlan(t, conn, provider.Overs[i].In(p), []any{before, 0}), want)
					if err := conn.QueryRow(t.Context(), provider.Overs[i].In(p), before, 500).Scan(&gone, &cookies); err != nil {
						t.Fatal(err)
					}
					over += gone
					if len(cookies) > 0 {
						readsOnly(t, explainPlan(t, conn, provider.Overs[i].Cookie, []any{cookies[0]}), map[string]int{"session_cookies": 1})
					}
				}
				if over < 50 {
					t.Errorf("%d were over: it proves nothing", over)
				}
				if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// readsOnly checks that a plan read no more partitions of each table than it may,
// and none of them whole.
func readsOnly(t *testing.T, plan node, want map[string]int) {
	t.Helper()
	read := map[string]map[string]bool{}
	plan.walk(func(n node) {
		if n.Relation == "" || n.Loops == 0 || n.Type == "ModifyTable" {
			return
		}
		table := tableOf(n.Relation)
		if n.Type == "Seq Scan" && table != "status_lists" && table != "status_revisions" { // which are tiny
			t.Errorf("%s is read whole", n.Relation)
		}
		if table == "registers" { // beside each record that has one
			return
		}
		if read[table] == nil {
			read[table] = map[string]bool{}
		}
		read[table][n.Relation] = true
	})
	for table, partitions := range read {
		if len(partitions) > want[table] {
			t.Errorf("reads %v, want %d of %s", slices.Sorted(maps.Keys(partitions)), want[table], table)
		}
	}
	if len(read) == 0 {
		t.Error("the plan reads nothing")
	}
}

// node is what is looked at of a plan's node.
type node struct {
	Type      string  `json:"Node Type"`
	Relation  string  `json:"Relation Name"`
	Loops     float64 `json:"Actual Loops"` // 0: pruned when the query ran
	Rows      float64 `json:"Actual Rows"`
	Removed   float64 `json:"Rows Removed by Filter"`
	Rechecked float64 `json:"Rows Removed by Index Recheck"`
	Plans     []node  `json:"Plans"`
}

func (n node) walk(visit func(node)) {
	visit(n)
	for _, p := range n.Plans {
		p.walk(visit)
	}
}

// tableOf returns the table that a partition belongs to.
func tableOf(relation string) string {
	if i := strings.LastIndexByte(relation, '_'); i > 0 && strings.Trim(relation[i+1:], "0123456789") == "" {
		return relation[:i]
	}
	return relation
}

// explainPlan runs a prepared statement, as the stores do, and returns its plan.
func explainPlan(t *testing.T, conn *pgx.Conn, sql string, args []any) node {
	t.Helper()
	ctx := t.Context()
	if err := conn.DeallocateAll(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Prepare(ctx, "hot", sql); err != nil {
		t.Fatal(err)
	}
	var literals []string
	for _, a := range args {
		switch a := a.(type) {
		case []byte:
			literals = append(literals, fmt.Sprintf(`'\x%x'`, a))
		default:
			literals = append(literals, fmt.Sprintf(`'%v'`, a))
		}
	}
	return scanPlan(t, conn.QueryRow(ctx, "EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE hot("+strings.Join(literals, ", ")+")"))
}

func scanPlan(t *testing.T, row pgx.Row) node {
	t.Helper()
	var text []byte
	if err := row.Scan(&text); err != nil {
		t.Fatal(err)
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) != 1 {
		t.Fatalf("plan %s: %v", text, err)
	}
	return plans[0].Plan
}
