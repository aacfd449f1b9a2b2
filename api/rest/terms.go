package rest

import (
	"net/http"
	"strconv"
	"strings"

	"yizheng.internal/api/problem"
	"yizheng.internal/license/registry"
)

const ifMatch = "If-Match"

// maxMatches is how many entity tags an If-Match may have.
const maxMatches = 20

// terms returns the terms of a change: the request's Idempotency-Key and If-Match.
func (c *call) terms() (on registry.Terms, err error) {
	if on.Key, err = c.idempotencyKey(); err != nil {
		return on, err
	}
	on.Revisions, err = revisions(c.r.Header.Values(ifMatch))
	return on, err
}

// revisions reads If-Match (RFC 9110 section 13.1.1). It is a list of entity tags, each of
// which is a license's revision, as in the ETag of answers. Or it is *, which every license
// matches: then there are no revisions. A weak tag, or one that is no revision, matches nothing.
func revisions(lines []string) ([]int64, error) {
	malformed := problem.Refuse(http.StatusBadRequest, "if_match", "If-Match must be the ETag of the license as it was read, such as \"3\", in its quotes.")
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
			revision = 0 // which no stored license has
		}
		all = append(all, revision)
	}
	return all, nil
}
