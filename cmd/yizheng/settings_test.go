package main

import (
	"testing"

	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license"
)

func TestReadyURL(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8081": "http://127.0.0.1:8081/readyz", ":8081": "http://127.0.0.1:8081/readyz", "0.0.0.0:1": "http://127.0.0.1:1/readyz",
		"[::]:2": "http://[::1]:2/readyz", "192.0.2.1:3": "http://192.0.2.1:3/readyz",
	} {
		if got, err := readyURL(listen); err != nil || got != want {
			t.Errorf("%s: %q, %v", listen, got, err)
		}
	}
	if _, err := readyURL("8081"); err == nil {
		t.Error("an address without a port is taken")
	}
}

func TestVerdictText(t *testing.T) {
	check := func(n license.CheckName, r license.Result) license.Check { return license.Check{Name: n, Result: r} }
	for want, v := range map[string]license.Verification{
		"有效": {Verdict: license.Valid}, "无效": {Verdict: license.Invalid, Checks: []license.Check{check(license.CheckStatus, license.Unknown)}},
		"签名真实，状态未核实":        {Verdict: license.Indeterminate, Checks: []license.Check{check(license.CheckSignature, license.Pass), check(license.CheckStatus, license.Unknown)}},
		"签名真实，证书是否吊销未核实":    {Verdict: license.Indeterminate, Checks: []license.Check{check(license.CheckChain, license.Unknown)}},
		"签名真实，证书是否吊销及状态未核实": {Verdict: license.Indeterminate, Checks: []license.Check{check(license.CheckChain, license.Unknown), check(license.CheckStatus, license.Unknown)}},
		"无法确定": {Verdict: license.Indeterminate, Checks: []license.Check{check(license.CheckSignature, license.Unknown), check(license.CheckStatus, license.Skipped)}},
	} {
		if got := verdictText(texts.WordsOf(texts.Chinese), v); got != want {
			t.Errorf("%+v: %s, want %s", v, got, want)
		}
	}
}
