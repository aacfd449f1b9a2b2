package main_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rsc.io/script"
	"rsc.io/script/scripttest"

	"yizheng.internal/api/rest"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/pki"
)

// TestScripts runs the scripts in testdata. Beside rsc.io/script's own commands
// they have
//
//	yizheng ARGS…        the program, for exit code 0, or with "!" any other
//	exits CODE ARGS…     the program, for this exit code; "<FILE" is its standard input
//	demo                 copies the directory of a demo, and what it signed, here
//	chinese CODE ARGS…   exits in a Chinese environment, and no English sentence is printed
//	damage FILE          alters a page in the middle of a file
func TestScripts(t *testing.T) {
	t.Parallel()
	engine := &script.Engine{Cmds: scripttest.DefaultCmds(), Conds: scripttest.DefaultConds(), Quiet: true}
	delete(engine.Cmds, "skip") // nothing is skipped
	path := program(t, "")
	engine.Cmds["yizheng"] = script.Program(path, nil, 0)
	engine.Cmds["exits"] = script.Command(script.CmdUsage{Summary: "run yizheng and expect an exit code", Args: "code args..."},
		func(s *script.State, args ...string) (script.WaitFunc, error) { return exits(s, path, args) })
	engine.Cmds["chinese"] = script.Command(script.CmdUsage{Summary: "run yizheng in Chinese and expect an exit code", Args: "code args..."},
		func(s *script.State, args ...string) (script.WaitFunc, error) { return inChinese(s, path, args) })
	engine.Cmds["demo"] = script.Command(script.CmdUsage{Summary: "copy a demo's directory to d, and credentials beside it"},
		func(s *script.State, args ...string) (script.WaitFunc, error) {
			from, err := demoDirectory(t)
			if err != nil {
				return nil, err
			}
			return nil, copyTree(s.Getwd(), from)
		})
	engine.Cmds["damage"] = script.Command(script.CmdUsage{Summary: "alter a page in the middle of a file", Args: "file"},
		func(s *script.State, args ...string) (script.WaitFunc, error) {
			if len(args) != 1 {
				return nil, script.ErrUsage
			}
			return nil, damage(s.Path(args[0]))
		})
	env := []string{"HOME=/nowhere", "TMPDIR=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	scripttest.Test(t, t.Context(), engine, env, "testdata/*.txt")
}

// exits runs the program and compares its exit code.
func exits(s *script.State, path string, args []string) (script.WaitFunc, error) {
	if len(args) < 2 {
		return nil, script.ErrUsage
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, script.ErrUsage
	}
	args = args[1:]
	var in []byte
	if name, ok := strings.CutPrefix(args[len(args)-1], "<"); ok {
		if in, err = os.ReadFile(s.Path(name)); err != nil {
			return nil, err
		}
		args = args[:len(args)-1]
	}
	cmd := exec.CommandContext(s.Context(), path, args...)
	cmd.Dir, cmd.Env = s.Getwd(), s.Environ()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	err = cmd.Run()
	return func(*script.State) (string, string, error) {
		if e, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
			return out.String(), errs.String(), err
		} else if ok || err == nil {
			code := 0
			if ok {
				code = e.ExitCode()
			}
			if code != want {
				return out.String(), errs.String(), fmt.Errorf("exit code %d, not %d", code, want)
			}
		}
		return out.String(), errs.String(), nil
	}, nil
}

// inChinese is exits in a Chinese environment, where what is printed is Chinese.
func inChinese(s *script.State, path string, args []string) (script.WaitFunc, error) {
	before, set := s.LookupEnv("LANG")
	if err := s.Setenv("LANG", "zh_CN.UTF-8"); err != nil {
		return nil, err
	}
	wait, err := exits(s, path, args)
	if !set {
		before = ""
	}
	if err := errors.Join(err, s.Setenv("LANG", before)); err != nil {
		return nil, err
	}
	return func(s *script.State) (out, errs string, err error) {
		out, errs, err = wait(s)
		if left := englishIn(out + "\n" + errs); err == nil && left != "" {
			err = fmt.Errorf("this is English: %q", left)
		}
		return out, errs, err
	}, nil
}

// What is the same in each language: URLs, commands to copy, flags with their values, scopes.
var (
	sameInEach = regexp.MustCompile(`[a-z]+://[!-~]+|yizheng [ -~]+|--[a-z-]+(=\S+)?|[a-z]+:[a-z]+|openid( [a-z_]+)*`)
	twoWords   = regexp.MustCompile(`[A-Za-z']{2,} [A-Za-z']{2,}`)
)

// englishIn returns the first English sentence in a text, apart from the log's.
func englishIn(text string) string {
	for line := range strings.Lines(text) {
		logged := strings.HasPrefix(line, `{"time":`) || strings.HasPrefix(line, "time=")
		if !logged && twoWords.MatchString(sameInEach.ReplaceAllString(line, "…")) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// TestEnglishIn shows what the scripts take for English.
func TestEnglishIn(t *testing.T) {
	for text, english := range map[string]bool{
		"the key is gone": true, "没有：open file": true, "密钥 key-1 已吊销\nrun it": true,
		"下一步：yizheng client add --participant X --name 名称": false, "没有标识为 \"a\" 的应用": false, "http://localhost/a b": false, "id  name": false,
	} {
		if (englishIn(text) != "") != english {
			t.Errorf("%q: %q", text, englishIn(text))
		}
	}
}

// damage overwrites pages in the middle of a file, as a broken disk does.
func damage(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, 8*4096), info.Size()/4096/2*4096)
	}
	return errors.Join(err, f.Close())
}

// demoOnce makes the directory that demoDirectory returns.
var demoOnce sync.Once

// demoDirectory returns a directory with
//
//	d/                  a demo's data, not running
//	NAME.sdjwt          credentials: residence (in force), suspended, ended, superseded
//	withheld.sdjwt      residence without some disclosures
//	tampered.sdjwt      residence with an altered signature
//	anchors.pem, other.pem   the demo's root, and another one
//	status.jwt, root.crl
func demoDirectory(t testing.TB) (dir string, err error) {
	dir = filepath.Join(buildDir, "demo")
	demoOnce.Do(func() { err = makeDemoDirectory(t, dir) })
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "done")); err != nil {
		return "", fmt.Errorf("the demo's directory could not be made: %w", err)
	}
	return dir, nil
}

func makeDemoDirectory(t testing.TB, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	s, facts, err := startDemo(t, nil, "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "d"))
	if err != nil {
		return err
	}
	files := map[string]string{"anchors.pem": "/v1/trust/anchors", "status.jwt": "/v1/trust/status-lists/1", "root.crl": "/v1/trust/crl/root-1.crl"}
	for name, path := range files {
		if err := download(s.BaseURL+path, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := credentials(t, s, facts, dir); err != nil {
		return err
	}
	if err := otherRoot(t, filepath.Join(dir, "other.pem")); err != nil {
		return err
	}
	if err := s.Stop(); err != nil {
		return fmt.Errorf("stopping the demo: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "done"), nil, 0o600)
}

// copyTree copies a tree with its modes, without which no key is read.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o600)
	})
}

func download(url, file string) error {
	answer, err := http.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return os.WriteFile(file, text, 0o600)
}

// credentials saves a credential for each thing that may become of a license.
func credentials(t testing.TB, s *server, facts demoFacts, dir string) error {
	found := map[string]string{}
	for _, l := range facts.Licenses {
		parts, err := l.Identifier.Parse()
		if err != nil {
			return err
		}
		for _, c := range facts.Clients {
			client := &apiClient{BaseURL: s.BaseURL, ID: c.ID, Secret: c.Secret}
			path := fmt.Sprintf("/v1/licenses/%s/credential?version=%d", l.ID, parts.Version)
			var credential string
			err := client.Do(t.Context(), "GET", path, nil, &credential)
			if e, ok := errors.AsType[*statusError](err); ok && (e.Status == http.StatusNotFound || e.Status == http.StatusForbidden) {
				continue // another department's
			} else if err != nil {
				return err
			}
			v, err := client.Verify(t.Context(), rest.Issued{Identifier: l.Identifier, VerificationCode: l.VerificationCode})
			if err != nil {
				return err
			}
			name := v.Checks[5].Reason // of the status
			if name == "in_force" {
				name = "residence" // the first of the samples
			}
			if found[name] == "" {
				found[name] = credential
			}
		}
	}
	whole := found["residence"]
	parts := strings.Split(whole, "~")
	// The last but one disclosure is at the top: without it nothing else dangles.
	found["withheld"] = strings.Join(append(parts[:len(parts)-2:len(parts)-2], ""), "~")
	jws := []byte(parts[0])
	dot := bytes.LastIndexByte(jws, '.')
	altered := byte('A') // stays base64url
	if jws[dot+10] == altered {
		altered = 'B'
	}
	jws[dot+10] = altered
	found["tampered"] = string(jws) + whole[len(jws):]
	for name, credential := range found {
		if err := os.WriteFile(filepath.Join(dir, name+".sdjwt"), []byte(credential), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// otherRoot makes a root that certified nothing of the demo's.
func otherRoot(t testing.TB, file string) error {
	keys, err := keystore.Create(filepath.Join(t.TempDir(), "other"), keystore.GeneratePassphrase())
	if err != nil {
		return err
	}
	if _, err := keys.GenerateSigner("other", jose.SM2); err != nil {
		return err
	}
	signer, err := keys.Signer("other")
	if err != nil {
		return err
	}
	now := time.Now()
	der, err := pki.NewRoot(signer, pki.Subject{Name: "别的根（样例）", USCC: departmentUSCC}, now.Add(-time.Hour), now.AddDate(1, 0, 0))
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}
