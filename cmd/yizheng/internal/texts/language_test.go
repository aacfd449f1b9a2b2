package texts

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"

	"yizheng.internal/license/schema"
	"yizheng.internal/signing/keystore"

	"yizheng.internal/license/refusal"
	"yizheng.internal/signing"
)

func TestLanguageOf(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{nil, nil, English},
		{nil, map[string]string{"LANG": "zh_CN.UTF-8"}, Chinese},
		{nil, map[string]string{"LANG": "ZH"}, Chinese},
		{nil, map[string]string{"LANG": "C.UTF-8"}, English},
		{nil, map[string]string{"LANG": "de_DE.UTF-8"}, English},
		{nil, map[string]string{"LANG": "en_US", "LC_MESSAGES": "zh_TW"}, Chinese},
		{nil, map[string]string{"LANG": "zh_CN", "LC_MESSAGES": "zh_CN", "LC_ALL": "C"}, English},
		{nil, map[string]string{"LANG": "zh_CN", "LC_ALL": ""}, Chinese},
		{[]string{"doctor", "--lang", "en"}, map[string]string{"LANG": "zh_CN"}, English},
		{[]string{"--lang=zh", "doctor"}, nil, Chinese},
		{[]string{"--lang", "auto"}, map[string]string{"LANG": "zh_CN"}, Chinese},
		{[]string{"x", "--", "--lang=zh"}, nil, English},
		{[]string{"--lang"}, nil, English},
	} {
		if got := languageOf(c.args, func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%q, %v: %s, want %s", c.args, c.env, got, c.want)
		}
	}
}

// withoutWords are texts that are made of arguments alone.
var withoutWords = []string{
	"verify.line", "verify.authority_value", "verify.trust", "error.reason", "error.because", "usage.of", "restore.one",
}

// TestMessages holds the two files to one another: each key is there twice, with the
// same arguments.
func TestMessages(t *testing.T) {
	en, zh := Read("messages.en"), Read("messages.zh")
	if a, b := slices.Sorted(maps.Keys(en)), slices.Sorted(maps.Keys(zh)); !slices.Equal(a, b) {
		t.Errorf("the keys differ: %v and %v", a, b)
	}
	for key, text := range en {
		if a, b := verbs.FindAllString(text, -1), verbs.FindAllString(zh[key], -1); !slices.Equal(a, b) {
			t.Errorf("%s takes %q in English and %q in Chinese", key, a, b)
		}
		if text == "" || !strings.ContainsFunc(zh[key], isHan) && !slices.Contains(withoutWords, key) {
			t.Errorf("%s: %q, %q", key, text, zh[key])
		}
		if strings.ContainsFunc(text, isHan) {
			t.Errorf("%s is not English: %q", key, text)
		}
	}
}

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }

// TestExplain says errors in both languages: by their keys, their codes, their phrases,
// and else as they are.
func TestExplain(t *testing.T) {
	refused := &refusal.Error{Reason: "type_invalid", Detail: "The definition of the type is not usable; see violations.", Violations: []schema.Violation{
		{Pointer: "/authorities", Keyword: "count", Message: "must name 1 to 1000 authorities"}, {Keyword: "pattern", Message: "must be something else"},
	}}
	for _, c := range []struct {
		err    error
		en, zh string
	}{
		{Refuse("client.unknown", "x"), `no client has the id "x"; yizheng client list shows them all`, `没有标识为 "x" 的应用；用 yizheng client list 查看全部应用`},
		{Usage("usage.of", "--since", Refuse("event.limit")), "--since: --limit is 0 or more", "--since：--limit 不能小于 0"},
		{refused, "type_invalid: The definition of the type is not usable; see violations.\n  /authorities must name 1 to 1000 authorities (count)\n  / must be something else (pattern)",
			"证照类型的定义不符合要求（type_invalid）\n  /authorities 应有 1 至 1000 个颁发机构（count）\n  / 格式不符（pattern）"},
		{fmt.Errorf("revoking key %s: %w", "a-1", fmt.Errorf("it still wraps key %s: %w", "data-1", signing.ErrKeyState)),
			"revoking key a-1: it still wraps key data-1: the key's state does not allow that", "吊销密钥 a-1：该密钥仍用于包裹密钥 data-1"},
		{fmt.Errorf("nobody knows this: %w", Refuse("person.unknown")), "nobody knows this: nobody has that id or login; yizheng person list shows all accounts", "没有使用该标识或登录名的账号；用 yizheng person list 查看全部账号"},
		{errors.Join(keystore.ErrPassphrase, errors.New("odd thing")), "wrong passphrase\nodd thing", "口令错误\n技术信息：odd thing"},
		{fmt.Errorf("reading a secret: %w", errors.New("odd thing")), "reading a secret: odd thing", "读取口令或密钥：技术信息：odd thing"},
	} {
		if en, zh := WordsOf(English).Explain(c.err), WordsOf(Chinese).Explain(c.err); en != c.en || zh != c.zh {
			t.Errorf("%v:\n%s\n%s", c.err, en, zh)
		}
	}
}
