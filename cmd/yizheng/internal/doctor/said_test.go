package doctor

import (
	"testing"

	"yizheng.internal/cmd/yizheng/internal/texts"
)

// TestFindingsInChinese has the doctor say in Chinese what a package says in a sentence of
// its own.
func TestFindingsInChinese(t *testing.T) {
	e := examination{words: texts.WordsOf(texts.Chinese)}
	e.fail("integrity", "", "%s", "registers of 3 records of clients are gone: they were deleted")
	if got := e.findings[0].text; got != "clients 的 3 条登记记录不见了：被删除" {
		t.Error(got)
	}
}
