package main

import "yizheng.internal/license"

var resultTexts = map[license.Result]string{
	license.Pass: "[通过]", license.Fail: "[失败]", license.Unknown: "[未知]", license.Skipped: "[未查]",
}

var checkTexts = map[license.CheckName]string{
	license.CheckFormat: "格式", license.CheckSignature: "签名", license.CheckChain: "证书链", license.CheckAuthority: "颁发机构",
	license.CheckPeriod: "有效期", license.CheckStatus: "状态", license.CheckHolder: "出示人", license.CheckIntegrity: "完整性",
}

// reasonTexts says what a check's reason code means. One that is missing here
// is shown by its code alone.
var reasonTexts = map[string]string{
	"well_formed":             "格式正确",
	"signature_valid":         "SM2 签名有效",
	"chain_trusted":           "证书链可追溯到信任根",
	"authority_signed":        "由证照所载颁发机构签名",
	"attested":                "归集证照，由登记系统证明",
	"within_period":           "在有效期内",
	"long_term":               "长期有效",
	"in_force":                "有效，未被暂扣、变更或终止",
	"whole":                   "全部内容完整，未被改动",
	"fields_withheld":         "已出示的内容未被改动，部分内容未出示",
	"no_key_binding":          "未附持证人绑定，未核对出示人",
	"key_binding_not_checked": "附有持证人绑定，签名正确；出示对象未核对",
	"key_binding_valid":       "出示给指定的用证单位，本次有效",
	"binding_missing":         "未附持证人绑定",
	"binding_malformed":       "持证人绑定格式错误",
	"binding_key":             "证照未载明可用的出示密钥",
	"binding_signature":       "持证人绑定的签名错误",
	"binding_audience":        "出示给了其他用证单位",
	"binding_nonce":           "不是对本次请求的出示",
	"binding_expired":         "出示已超过时限，或本机时钟有误",
	"binding_hash":            "持证人绑定与所出示的内容不符",
	"not_reached":             "因其他检查未通过而未检查",

	"status_not_checked": "未提供状态列表",
	"status_unavailable": "状态列表不可用，或不是此证照的列表",
	"status_missing":     "证照未注明状态列表",
	"status_index":       "状态列表中没有此证照",
	"suspended":          "证照已暂扣",
	"superseded":         "证照已有新版本，此版本失效",
	"ended":              "证照已终止（注销、撤销、吊销等）",

	"expired":              "已过有效期",
	"not_yet_valid":        "尚未生效",
	"issued_in_future":     "签发时间在将来，请检查本机时钟",
	"period_contradictory": "所载日期自相矛盾",

	"authority_mismatch":     "签名证书不属于证照所载颁发机构",
	"key_compromised":        "签名密钥已泄露，其签名均不可信",
	"certificate_revoked":    "签名时证书已吊销",
	"revocation_unavailable": "证书吊销信息不可用",
	"revocation_not_checked": "证书链可追溯到信任根；未提供证书吊销列表，是否已吊销未核实",
	"revocation_waived":      "证书链可追溯到信任根；按要求未查证书是否已吊销",
	"key_untrusted":          "签名证书不可信，签名无从核对",
	"undecided":              "签名暂时无法判定，请重试",

	"chain_missing":       "未附证书",
	"chain_malformed":     "证书格式错误",
	"chain_untrusted":     "证书不是由给定的信任根签发",
	"chain_expired":       "签名时证书已过期",
	"chain_not_yet_valid": "签名时证书尚未生效",
	"chain_key_usage":     "证书不得用于此用途",
	"chain_signature":     "证书的签名错误",

	"token_malformed": "签名结构格式错误",
	"token_too_large": "凭证过大",
	"token_typ":       "凭证种类不符",
	"token_algorithm": "签名算法不被接受",
	"token_critical":  "含有不认识的关键扩展",
	"token_key":       "没有可用的签名密钥",
	"token_signature": "签名错误：内容被改动，或不是此密钥所签",

	"claims_malformed":        "凭证内容格式错误",
	"claims_missing":          "凭证缺少必备内容",
	"identifier_mismatch":     "证照标识与证照类型、颁发机构或版本不符",
	"sdjwt_malformed":         "凭证格式错误",
	"sdjwt_too_large":         "凭证过大",
	"sdjwt_depth":             "内容嵌套过深",
	"hash_unknown":            "摘要算法不被接受",
	"disclosure_malformed":    "出示项格式错误",
	"disclosure_duplicate":    "出示项重复",
	"disclosure_unreferenced": "出示项被改动，或不属于此证照",
	"digest_duplicate":        "摘要重复",
	"claim_collision":         "出示项与已有内容冲突",
}

// reasonText returns what a reason code means, in Chinese.
func reasonText(code string) string {
	if text, ok := reasonTexts[code]; ok {
		return text
	}
	return "见代码"
}
