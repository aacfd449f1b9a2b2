package e2e

import "testing"

// The pages around the service, which nobody need log in for.
func TestCity(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for _, s := range []size{phone, pc} {
		b := newBrowser(t, s)
		b.open(d.MessagesURL)
		b.good("messages", "演示手机", "周样例䶮", "noodles at seven", d.Departments[1].URL)
		b.open(d.Departments[0].URL)
		b.good("police", "居住证签注", "合法稳定住所证明", "登录并用电子证照办理")
		b.follow("#paper")
		b.good("police-paper", "携带纸质材料办理", "3 号窗口")
		b.open(d.Departments[1].URL)
		b.good("market", "食品经营许可新办", "从业人员健康证明")
		b.open(d.Departments[1].URL + "/callback?code=x&state=y")
		b.good("market-stray", "登录没有完成", "允许本站使用 Cookie")
		b.open(d.Departments[1].URL + "/logged-out")
		b.good("market-logged-out", "您已退出")
		b.open(d.Departments[1].URL + "/nowhere")
		b.good("market-nowhere", "没有这个页面")
	}
}
