package main

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/alecthomas/kong"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/texts"
)

var (
	flag = regexp.MustCompile(`--[a-z][a-z-]+|YIZHENG_[A-Z]+|/v1/[a-z/.-]+`)
)

func han(r rune) bool { return unicode.Is(unicode.Han, r) }

// TestHelpTexts holds the Chinese help to the commands: each has its text, none is
// left over, and flags that others are told of are named in both languages.
func TestHelpTexts(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.Name("yizheng"))
	if err != nil {
		t.Fatal(err)
	}
	help := texts.Read("help.zh")
	used := map[string]string{"about": "", "about.settings": ""} // key to the English text
	texts.EachHelp(parser.Model.Node, func(keys []string, english *string) {
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
		if !strings.ContainsFunc(help[key], han) && key != "<purpose>" {
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
		p := &command.Process{Ctx: context.Background(), In: strings.NewReader(""), Out: &out, Err: &errs}
		if code := run(p, args); code != texts.ExitOK || errs.Len() > 0 {
			t.Errorf("%q: exit code %d, %s", args, code, errs.String())
		}
		return out.String()
	}
	help, n := texts.Read("help.zh"), 0
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
		for _, lang := range []string{texts.English, texts.Chinese} {
			var out, errs bytes.Buffer
			p := &command.Process{Ctx: context.Background(), In: strings.NewReader(""), Out: &out, Err: &errs}
			if code := run(p, append(slices.Clone(args), "--lang="+lang)); code != texts.ExitUsage {
				t.Errorf("%q in %s: exit code %d", args, lang, code)
			}
			if has := strings.Contains(errs.String(), want); has != (lang == texts.Chinese) {
				t.Errorf("%q in %s: %s", args, lang, errs.String())
			}
		}
	}
}
