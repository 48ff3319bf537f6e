require ["envelope", "subaddress", "fileinto", "copy", "reject"];

# What stands behind the plus in the address decides, so that every user meets every situation without a reload.
if header :matches "X-Spam-Status" "Yes,*" {
  fileinto "Junk";
} elsif envelope :detail "to" "junk" {
  fileinto "Junk";
} elsif envelope :detail "to" "junk-copy" {
  fileinto :copy "Junk";
} elsif envelope :detail "to" "misfiled" {
  fileinto "Archive 2026/Büro";
} elsif envelope :detail "to" "discard" {
  discard;
} elsif envelope :detail "to" "rejected" {
  reject "No mail from monitors, please.";
}
