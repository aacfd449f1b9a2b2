package main

import (
	"testing"

	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/credential"
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
	check := func(n credential.CheckName, r credential.Result) credential.Check {
		return credential.Check{Name: n, Result: r}
	}
	for want, v := range map[string]credential.Verification{
		"有效": {Verdict: credential.Valid}, "无效": {Verdict: credential.Invalid, Checks: []credential.Check{check(credential.CheckStatus, credential.Unknown)}},
		"签名真实，状态未核实":        {Verdict: credential.Indeterminate, Checks: []credential.Check{check(credential.CheckSignature, credential.Pass), check(credential.CheckStatus, credential.Unknown)}},
		"签名真实，证书是否吊销未核实":    {Verdict: credential.Indeterminate, Checks: []credential.Check{check(credential.CheckChain, credential.Unknown)}},
		"签名真实，证书是否吊销及状态未核实": {Verdict: credential.Indeterminate, Checks: []credential.Check{check(credential.CheckChain, credential.Unknown), check(credential.CheckStatus, credential.Unknown)}},
		"无法确定": {Verdict: credential.Indeterminate, Checks: []credential.Check{check(credential.CheckSignature, credential.Unknown), check(credential.CheckStatus, credential.Skipped)}},
	} {
		if got := verdictText(texts.WordsOf(texts.Chinese), v); got != want {
			t.Errorf("%+v: %s, want %s", v, got, want)
		}
	}
}
