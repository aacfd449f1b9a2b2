package license

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/license/audit"
)

// MaxLimit is the greatest number of entries on one page of a list.
const MaxLimit = 100

// String returns the cursor as clients carry it.
func (c Cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%s", c.Created.UnixMicro(), c.ID))
}

// lastMicros is the end of the year 9999: databases differ in how they treat later times.
const lastMicros = 253_402_300_799_999_999

// ParseCursor reads what String wrote; the empty string is the zero Cursor.
func ParseCursor(s string) (Cursor, bool) {
	if s == "" {
		return Cursor{}, true
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) > 64 {
		return Cursor{}, false
	}
	created, id, _ := strings.Cut(string(b), ".")
	micros, err := strconv.ParseInt(created, 10, 64)
	if err != nil || !audit.ID(id).Valid() || micros < 0 || micros > lastMicros {
		return Cursor{}, false
	}
	return Cursor{time.UnixMicro(micros).UTC(), audit.ID(id)}, true
}
