package install

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"yizheng.internal/cmd/yizheng/internal/texts"
)

// maxConfig is the largest configuration file, in bytes.
const maxConfig = 64 << 10

// ConfigFile is the flag that names the YAML file.
type ConfigFile string

// BeforeResolve is called by kong once it knows the flag's value, and makes
// the file answer for settings that neither flags nor the environment give.
func (c ConfigFile) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path, ok := ctx.FlagValue(trace.Flag).(ConfigFile)
	if !ok || path == "" {
		return nil
	}
	f, err := os.Open(string(path))
	if err != nil {
		return texts.Refuse("config.reading", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return texts.Refuse("config.reading", err)
	}
	values, err := parseConfig(text)
	if err != nil {
		return texts.Refuse("usage.of", string(path), err)
	}
	dir, err := filepath.Abs(filepath.Dir(string(path)))
	if err != nil {
		return texts.Refuse("config.reading", err)
	}
	ctx.AddResolver(configured{string(path), dir, values})
	return nil
}

// setting is one setting of a configuration file.
type setting struct {
	key, value string
	line       int
}

// parseConfig reads a configuration file: one mapping of settings, whose values
// are scalars or lists of scalars. Errors name the line, and never show what
// stands there, for it may be a password.
func parseConfig(text []byte) ([]setting, error) {
	if len(text) > maxConfig {
		return nil, texts.Refuse("config.large", maxConfig)
	}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey()) // Validate names them
	if err != nil {
		return nil, syntaxError(err)
	}
	var settings []setting
	for i, doc := range file.Docs {
		if i > 0 && doc.Body != nil {
			return nil, texts.Refuse("config.second", lineOf(doc.Body))
		}
		pairs, err := pairsOf(doc.Body)
		if err != nil {
			return nil, err
		}
		for _, pair := range pairs {
			s := setting{key: strings.Trim(pair.Key.String(), `"'`), line: lineOf(pair.Key)}
			if s.value, err = valueOf(pair.Value); err != nil {
				return nil, texts.Refuse("config.value", s.line, s.key, err)
			}
			settings = append(settings, s)
		}
	}
	return settings, nil
}

// syntaxError returns the parser's error without its excerpt of the file.
func syntaxError(err error) error {
	if e, ok := errors.AsType[yaml.Error](err); ok && e.GetToken() != nil {
		return texts.Refuse("config.syntax", e.GetToken().Position.Line)
	}
	return texts.Refuse("config.no_yaml")
}

func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}

// pairsOf returns the members of a document, none of an empty one.
func pairsOf(body ast.Node) ([]*ast.MappingValueNode, error) {
	switch n := body.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return nil, nil
	case *ast.MappingNode:
		return n.Values, nil
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, nil
	}
	return nil, texts.Refuse("config.pairs", lineOf(body))
}

// valueOf returns a value as the flag takes it: a list with commas between.
func valueOf(n ast.Node) (string, error) {
	if list, ok := n.(*ast.SequenceNode); ok {
		var items []string
		for _, item := range list.Values {
			text, err := scalarOf(item)
			if err != nil {
				return "", err
			}
			items = append(items, text)
		}
		return strings.Join(items, ","), nil
	}
	return scalarOf(n)
}

func scalarOf(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return strings.TrimSuffix(n.Value.Value, "\n"), nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil // as it was written
	case *ast.NullNode:
		return "", texts.Refuse("config.empty")
	}
	return "", texts.Refuse("config.nested")
}

// configured is a configuration file as kong asks it.
type configured struct {
	path     string
	dir      string // the file's folder, absolute
	settings []setting
}

// Validate refuses settings that no command has, or that are there twice.
func (c configured) Validate(app *kong.Application) error {
	known := settingNames(app.Node)
	for i, s := range c.settings {
		if !slices.Contains(known, s.key) {
			return unknownSetting(c.path, s, known)
		}
		if slices.ContainsFunc(c.settings[:i], func(other setting) bool { return other.key == s.key }) {
			return texts.Refuse("config.twice", c.path, s.line, s.key)
		}
	}
	return nil
}

// Resolve returns the file's value of a flag, unless the environment has one.
func (c configured) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	for _, s := range c.settings {
		if s.key == flag.Name && len(flag.Envs) > 0 {
			return beside(c.dir, flag, s.value), nil
		}
	}
	return nil, nil
}

// beside returns a setting's value as the flag takes it: a relative path leads from the configuration file's folder,
// wherever a command is run.
func beside(dir string, flag *kong.Flag, value string) string {
	const sqlite = "sqlite:"
	path, isDatabase := strings.CutPrefix(value, sqlite)
	isPath := flag.Name == "data" || flag.PlaceHolder == "FILE" || flag.PlaceHolder == "DIR"
	switch {
	case isPath && value != "":
		return joined(dir, value)
	case flag.Name == "database-url" && isDatabase && path != "":
		return sqlite + joined(dir, path)
	}
	return value
}

// ofACommand are flags that have an environment variable, but can't stand in a configuration
// file: they belong to the person who runs a command.
var ofACommand = []string{"config", "operator"}

// settingNames returns the settings of all commands: the flags that have an environment
// variable, without those of ofACommand.
func settingNames(n *kong.Node) []string {
	var names []string
	for _, f := range n.Flags {
		if len(f.Envs) > 0 && !slices.Contains(ofACommand, f.Name) {
			names = append(names, f.Name)
		}
	}
	for _, child := range n.Children {
		names = append(names, settingNames(child)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// unknownSetting names the setting that was probably meant, too: the one that
// differs in nothing but how its words are joined.
func unknownSetting(path string, s setting, known []string) error {
	flat := strings.NewReplacer("_", "", "-", "", ".", "")
	for _, k := range known {
		if strings.EqualFold(flat.Replace(k), flat.Replace(s.key)) {
			return texts.Refuse("config.meant", path, s.line, s.key, k)
		}
	}
	return texts.Refuse("config.unknown", path, s.line, s.key)
}
