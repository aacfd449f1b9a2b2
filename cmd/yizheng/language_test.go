package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/alecthomas/kong"

	"yizheng.internal/license"
	"yizheng.internal/license/schema"
	"yizheng.internal/signing"
)

func TestLanguageOf(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{nil, nil, english},
		{nil, map[string]string{"LANG": "zh_CN.UTF-8"}, chinese},
		{nil, map[string]string{"LANG": "ZH"}, chinese},
		{nil, map[string]string{"LANG": "C.UTF-8"}, english},
		{nil, map[string]string{"LANG": "de_DE.UTF-8"}, english},
		{nil, map[string]string{"LANG": "en_US", "LC_MESSAGES": "zh_TW"}, chinese},
		{nil, map[string]string{"LANG": "zh_CN", "LC_MESSAGES": "zh_CN", "LC_ALL": "C"}, english},
		{nil, map[string]string{"LANG": "zh_CN", "LC_ALL": ""}, chinese},
		{[]string{"doctor", "--lang", "en"}, map[string]string{"LANG": "zh_CN"}, english},
		{[]string{"--lang=zh", "doctor"}, nil, chinese},
		{[]string{"--lang", "auto"}, map[string]string{"LANG": "zh_CN"}, chinese},
		{[]string{"x", "--", "--lang=zh"}, nil, english},
		{[]string{"--lang"}, nil, english},
	} {
		if got := languageOf(c.args, func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%q, %v: %s, want %s", c.args, c.env, got, c.want)
		}
	}
}

var (
	flag = regexp.MustCompile(`--[a-z][a-z-]+|YIZHENG_[A-Z]+|/v1/[a-z/.-]+`)
)

// withoutWords are texts that are made of arguments alone.
var withoutWords = []string{
	"verify.line", "verify.authority_value", "verify.trust", "error.reason", "error.because", "usage.of", "restore.one",
}

// TestMessages holds the two files to one another: each key is there twice, with the
// same arguments.
func TestMessages(t *testing.T) {
	en, zh := readWords("messages.en"), readWords("messages.zh")
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

// TestHelpTexts holds the Chinese help to the commands: each has its text, none is
// left over, and flags that others are told of are named in both languages.
func TestHelpTexts(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.Name("yizheng"))
	if err != nil {
		t.Fatal(err)
	}
	help := readWords("help.zh")
	used := map[string]string{"about": "", "about.settings": ""} // key to the English text
	eachHelp(parser.Model.Node, func(keys []string, english *string) {
		i := slices.IndexFunc(keys, func(k string) bool { return help[k] != "" })
		if i < 0 {
			t.Errorf("%q has no Chinese help: %s", keys, *english)
			return
		}
		key := keys[i]
		if before, ok := used[key]; ok && before != *english {
			t.Errorf("%s stands for %q and for %q", key, before, *english)
		}
		used[key] = *english
		for _, name := range flag.FindAllString(*english, -1) {
			if !strings.Contains(help[key], name) {
				t.Errorf("%s names %s in English alone", key, name)
			}
		}
		if !strings.ContainsFunc(help[key], isHan) && key != "<purpose>" {
			t.Errorf("%s: %s", key, help[key])
		}
	})
	for key := range help {
		if _, ok := used[key]; !ok {
			t.Errorf("no command has %s", key)
		}
	}
}

// TestHelpInBothLanguages shows the help of every command in both languages.
func TestHelpInBothLanguages(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.Name("yizheng"))
	if err != nil {
		t.Fatal(err)
	}
	shown := func(args ...string) string {
		var out, errs bytes.Buffer
		p := &process{ctx: context.Background(), in: strings.NewReader(""), out: &out, err: &errs}
		if code := run(p, args); code != exitOK || errs.Len() > 0 {
			t.Errorf("%q: exit code %d, %s", args, code, errs.String())
		}
		return out.String()
	}
	help, n := readWords("help.zh"), 0
	var each func(node *kong.Node, path []string)
	each = func(node *kong.Node, path []string) {
		n++
		en, zh := shown(slices.Concat(path, []string{"--help", "--lang=en"})...), shown(slices.Concat([]string{"--lang", "zh"}, path, []string{"--help"})...)
		if !strings.HasPrefix(en, "Usage: yizheng") || !strings.HasPrefix(zh, "用法：yizheng") {
			t.Errorf("%q begins with %.40q and %.40q", path, en, zh)
		}
		for _, english := range []string{"Usage:", "Flags:", "Settings:", "Arguments:", "Commands:", "for more information", "Show context"} {
			if strings.Contains(zh, english) || strings.Contains(en, help["--help"]) {
				t.Errorf("%q in the Chinese help of %q, or the other way round:\n%s", english, path, zh)
			}
		}
		if text := help[strings.Join(path, " ")]; text != "" && !strings.Contains(strings.Join(strings.Fields(zh), ""), strings.Join(strings.Fields(text), "")) {
			t.Errorf("the Chinese help of %q lacks its text:\n%s", path, zh)
		}
		for _, c := range node.Children {
			each(c, append(slices.Clone(path), c.Name))
		}
	}
	each(parser.Model.Node, nil)
	if n < 50 {
		t.Errorf("%d commands", n)
	}
}

// TestExplain says errors in both languages: by their keys, their codes, their phrases,
// and else as they are.
func TestExplain(t *testing.T) {
	refused := &license.Error{Reason: "type_invalid", Detail: "The definition of the type is not usable; see violations.", Violations: []schema.Violation{
		{Pointer: "/authorities", Keyword: "count", Message: "must name 1 to 1000 authorities"}, {Keyword: "pattern", Message: "must be something else"},
	}}
	for _, c := range []struct {
		err    error
		en, zh string
	}{
		{refuse("client.unknown", "x"), `no client has the id "x"; yizheng client list shows them all`, `没有标识为 "x" 的应用；用 yizheng client list 查看全部应用`},
		{usage("usage.of", "--since", refuse("event.limit")), "--since: --limit is 0 or more", "--since：--limit 不能小于 0"},
		{refused, "type_invalid: The definition of the type is not usable; see violations.\n  /authorities must name 1 to 1000 authorities (count)\n  / must be something else (pattern)",
			"证照类型的定义不符合要求（type_invalid）\n  /authorities 应有 1 至 1000 个颁发机构（count）\n  / 格式不符（pattern）"},
		{fmt.Errorf("revoking key %s: %w", "a-1", fmt.Errorf("it still wraps key %s: %w", "data-1", signing.ErrKeyState)),
			"revoking key a-1: it still wraps key data-1: the key's state does not allow that", "吊销密钥 a-1：该密钥仍用于包裹密钥 data-1"},
		{fmt.Errorf("nobody knows this: %w", refuse("person.unknown")), "nobody knows this: nobody has that id or login; yizheng person list shows all accounts", "没有使用该标识或登录名的账号；用 yizheng person list 查看全部账号"},
		{errors.Join(signing.ErrPassphrase, errors.New("odd thing")), "wrong passphrase\nodd thing", "口令错误\n技术信息：odd thing"},
		{fmt.Errorf("reading the passphrase: %w", errors.New("odd thing")), "reading the passphrase: odd thing", "读取口令：技术信息：odd thing"},
	} {
		if en, zh := wordsOf(english).explain(c.err), wordsOf(chinese).explain(c.err); en != c.en || zh != c.zh {
			t.Errorf("%v:\n%s\n%s", c.err, en, zh)
		}
	}
	e := examination{words: wordsOf(chinese)}
	e.fail("integrity", "", "%s", "registers of 3 records of clients are gone: they were deleted")
	if got := e.findings[0].text; got != "clients 的 3 条登记记录不见了：被删除" {
		t.Error(got)
	}
}

// TestUsageErrors gives command lines that are wrong: the exit code is the same in
// both languages.
func TestUsageErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"多余的参数 nothing":           {"nothing"},
		"未知的选项 --nothing":         {"serve", "--nothing"},
		"缺少选项：":                   {"participant", "add"},
		`--log-level 只能是 "debug"`: {"serve", "--log-level=loud"},
		`缺少 "<participant>"`:      {"participant", "disable"},
		`缺少其中之一："add", "list"`:    {"client"},
		"运行 \"yizheng --help\"":   {"x"},
		`--drain：缺少值`:             {"serve", "--drain"},
		`--timeout：应为时长`:          {"healthcheck", "--timeout=soon"},
		`--days：应为整数`:             {"crl", "publish", "--days=many"},
		`--from：应为时间`:             {"key", "revoke", "k", "--reason=superseded", "--from=now"},
		`--name-in：应写成`:           {"client", "update", "c", "--name-in=en"},
		`多余的参数 serv；是否应为`:         {"serv"},
	} {
		for _, lang := range []string{english, chinese} {
			var out, errs bytes.Buffer
			p := &process{ctx: context.Background(), in: strings.NewReader(""), out: &out, err: &errs}
			if code := run(p, append(slices.Clone(args), "--lang="+lang)); code != exitUsage {
				t.Errorf("%q in %s: exit code %d", args, lang, code)
			}
			if has := strings.Contains(errs.String(), want); has != (lang == chinese) {
				t.Errorf("%q in %s: %s", args, lang, errs.String())
			}
		}
	}
}
