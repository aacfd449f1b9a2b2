package call

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
)

// IfMatch is the header by which a call says which revision it changes.
const IfMatch = "If-Match"

// maxMatches is how many entity tags an If-Match may have.
const maxMatches = 20

// IdempotencyKey returns the header's value; two of them are one too many.
func (c *Call) IdempotencyKey() (string, error) {
	keys := c.Request.Header.Values(openapi.IdempotencyKey)
	if len(keys) > 1 {
		return "", problem.Refuse(http.StatusBadRequest, "idempotency_key", "There must be one Idempotency-Key.")
	}
	return cmp.Or(keys...), nil
}

// Revisions reads If-Match (RFC 9110 section 13.1.1). It is a list of entity tags, each of
// which is a revision, as [Call.Revised] names it. Or it is *, which everything
// matches: then there are no revisions. A weak tag, or one that is no revision, matches nothing.
func (c *Call) Revisions() ([]int64, error) {
	lines := c.Request.Header.Values(IfMatch)
	malformed := problem.Refuse(http.StatusBadRequest, "if_match", "If-Match must be the ETag of what is changed, as it was read, such as \"3\", in its quotes.")
	text := strings.TrimSpace(strings.Join(lines, ","))
	if text == "*" || len(lines) == 0 {
		return nil, nil
	}
	var all []int64
	for tag := range strings.SplitSeq(text, ",") {
		strong := strings.TrimSpace(tag)
		weak := strings.HasPrefix(strong, "W/")
		strong = strings.TrimPrefix(strong, "W/")
		if len(strong) < 2 || strong[0] != '"' || strong[len(strong)-1] != '"' || strings.Contains(strong[1:len(strong)-1], `"`) || len(all) == maxMatches {
			return nil, malformed
		}
		revision, err := strconv.ParseInt(strong[1:len(strong)-1], 10, 64)
		if weak || err != nil || revision < 1 {
			revision = 0 // which nothing stored has
		}
		all = append(all, revision)
	}
	return all, nil
}
