package postgres

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"yizheng.internal/storage/postgres/engine"
)

// TestOldServer tells versions that are too old by their number.
func TestOldServer(t *testing.T) {
	for version, says := range map[int]string{
		0: "version 0.0,", 90624: "version 9.6,", 100023: "version 10,", 130022: "version 13,", 139999: "version 13,",
		140000: "", 150014: "", 170000: "", 180001: "",
	} {
		err := engine.OldServer(version)
		if says == "" && err == nil {
			continue
		}
		if says == "" || !errors.Is(err, engine.ErrOldServer) || !strings.Contains(err.Error(), says+" and 14 or newer is needed") {
			t.Errorf("%d: %v, want %q", version, err, says)
		}
	}
}

// TestOldServerIsRefused opens a database through a wire on which the server's own
// version number is another one: there is no older server to be had.
func TestOldServerIsRefused(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	var number int
	if err := openDB(t, Config{URL: address}).engine.Conns.QueryRow(t.Context(), "SELECT current_setting('server_version_num')::integer").Scan(&number); err != nil {
		t.Fatal(err)
	}
	for _, says := range []int{number, engine.LeastServer, engine.LeastServer - 1, 90624} {
		w, through := newWire(t, address)
		w.mu.Lock()
		w.said, w.says = encoded(number), encoded(says)
		w.mu.Unlock()
		db, err := Open(t.Context(), Config{URL: through})
		if err == nil {
			defer db.Close()
		}
		if old := says < engine.LeastServer; old != errors.Is(err, engine.ErrOldServer) || !old && err != nil {
			t.Errorf("a server that says it is %d: %v", says, err)
		}
	}
}

// encoded is an integer in a row of one column, as servers send it.
func encoded(n int) string {
	return string(binary.BigEndian.AppendUint32([]byte{0, 1, 0, 0, 0, 4}, uint32(n)))
}
