package notice_test

import (
	"strings"
	"testing"

	"yizheng.internal/oidc/identity/notice"
)

func TestCodeTexts(t *testing.T) {
	for _, kind := range []notice.Kind{notice.LoginCode, notice.DeviceCode} {
		zh, en := notice.Code(kind, "", "012345", "zh-CN").Text, notice.Code(kind, "", "012345", "en-US").Text
		if zh != notice.Code(kind, "", "012345", "").Text {
			t.Error("Chinese isn't what is said first")
		}
		for _, want := range []string{"【一证】", "012345", "5 分钟", "不要", "工作人员也不会", "修改密码"} {
			if !strings.Contains(zh, want) {
				t.Errorf("%s doesn't say %s", zh, want)
			}
		}
		for _, want := range []string{"012345", "5 minutes", "nobody", "change your password"} {
			if !strings.Contains(en, want) {
				t.Errorf("%s doesn't say %s", en, want)
			}
		}
	}
}

// What tells people something says in both languages what was done and what to do if it wasn't them.
func TestNoticeTexts(t *testing.T) {
	for kind, words := range map[notice.Kind][2]string{
		notice.PasswordChanged: {"密码已修改", "password"}, notice.AuthenticatorAdded: {"已添加登录方式：样例", "added to your account: 样例"},
		notice.AuthenticatorRemoved: {"已删除登录方式：样例", "removed from your account: 样例"}, notice.RecoveryCodesMade: {"已生成恢复码", "Recovery codes were made"},
		notice.RecoveryCodesRenewed: {"以前的恢复码已全部作废，其他设备上的登录已全部退出", "New recovery codes"},
		notice.PasswordSet:          {"已设置新密码", "new password"},
		notice.RecoveryCodeUsed:     {"使用恢复码", "recovery code of your account was used"},
	} {
		zh, en := notice.Of(kind, "样例", "zh-CN"), notice.Of(kind, "样例", "en")
		if !strings.HasPrefix(zh, "【一证】您的账号") || !strings.Contains(zh, words[0]) || !strings.Contains(zh, "如果不是您在操作") || strings.Contains(zh, "#") {
			t.Errorf("%s: %s", kind, zh)
		}
		if !strings.HasPrefix(en, "[Yizheng] ") || !strings.Contains(en, words[1]) || !strings.Contains(en, "If it wasn't you") || strings.Contains(en, "#") {
			t.Errorf("%s: %s", kind, en)
		}
	}
}
