package main_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json"

	"yizheng.internal/api/apitest"
	"yizheng.internal/signing/pki"
)

// city is a running "yizheng demo", as programs see it.
type city struct {
	Issuer      string       `json:"issuer"`
	People      []demoPerson `json:"people"`
	MessagesURL string       `json:"messages_url"`

	process *server
	facts   demoFacts
	anchor  []byte
	code    samplePerson // the first person
}

type demoPerson struct {
	Login    string `json:"login"`
	Password string `json:"password"`
	Name     string `json:"name"`
	Phone    string `json:"phone"`
}

// samplePerson is what the samples say of a person.
type samplePerson struct {
	Name     string `json:"name"`
	CodeType string `json:"code_type"`
	Code     string `json:"code"`
}

// openCity starts the demo on free ports and reads what it says of itself.
func openCity(t *testing.T) *city {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demo")
	process, printed, err := startDemo(t, nil, "--listen", "127.0.0.1:0", "--data", dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &city{process: process, facts: printed}
	c.process.Options = serverOptions{Data: dir}
	facts, err := os.ReadFile(filepath.Join(dir, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(facts, c); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(c.Issuer + "/v1/trust/anchors")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if c.anchor, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("internal", "demo", "samples", "people.json"))
	if err != nil {
		t.Fatal(err)
	}
	var people []samplePerson
	if err := json.Unmarshal(text, &people); err != nil || len(people) == 0 || len(c.People) == 0 || people[0].Name != c.People[0].Name {
		t.Fatalf("the samples and the demo name different people: %v", err)
	}
	c.code = people[0]
	return c
}

// person is the sample person with that number, whose messages the demo shows.
func (c *city) person(t *testing.T, i int) apitest.Person {
	p := c.People[i]
	return apitest.Person{Login: p.Login, Password: p.Password, Code: func() string {
		code, err := c.latestCode(p.Phone)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}}
}

// latestCode reads the newest message to a phone.
func (c *city) latestCode(phone string) (string, error) {
	r, err := http.NewRequest(http.MethodGet, c.MessagesURL, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var shown struct {
		Messages []struct{ Phone, Code string }
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, json.Unmarshal(text, &shown, json.MatchCaseInsensitiveNames(true))); err != nil {
		return "", fmt.Errorf("%w in %s", err, text)
	}
	for _, m := range shown.Messages {
		if m.Phone == phone {
			return m.Code, nil
		}
	}
	return "", fmt.Errorf("no message went to %s", phone)
}

// writeOtherAnchor writes the root certificate of somebody else, with the same name.
func (c *city) writeOtherAnchor(t *testing.T, file string) {
	t.Helper()
	if _, err := os.Stat(file); err == nil {
		return
	}
	dir := filepath.Join(t.TempDir(), "other")
	s := startServer(t, serverOptions{Data: dir, Args: []string{"--registry-name", "青禾市电子证照库（样例）", "--registry-uscc", "11990000000010014J"}})
	defer s.Kill()
	text, err := os.ReadFile(filepath.Join(dir, "anchors.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pki.ParseAnchors(text); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
